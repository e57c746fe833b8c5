"""Sandboxes for tests: how each adapter is made, orders in few words, and a look for what was left behind."""

import asyncio
import contextlib
import dataclasses
import hashlib
import io
import os
import pathlib
import signal
import tarfile
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import blobs
import pytest

from workbenchx import ports
from workbenchx.providers.sandbox.local import adapter, isolation, orders
from workbenchx.providers.storage import local as local_storage

INSTALLATION = "11111111-2222-3333-4444-555555555555"
QUICK = orders.Limits(grace=0.5, processes=64)


@dataclasses.dataclass
class Bench:
    """A provider under test and its surroundings."""

    sandbox: ports.SandboxProvider
    storage: ports.StorageProvider
    root: pathlib.Path
    again: Callable[[], ports.SandboxProvider]
    """Another provider object on the same sandboxes, as another process of ours would have it."""
    image: str = "python"
    """The image of an order."""
    cpu: float = 1.0
    """The processors of an order."""
    pace = 1.0
    """How many times slower things begin and end than on this machine."""
    many = 20
    """How many runs a test may take that is about many."""
    gpus = True
    """Whether it has GPUs where its adapter does."""

    def spec(self, name: str = "wbx-test-1", *command: str, **fields: Any) -> ports.SandboxSpec:
        """An order for one command."""
        values: dict[str, Any] = {
            "tags": {"installation": INSTALLATION, "resource": name, "run": "r"},
            "shape": "execution",
            "image": self.image,
            "cpu": self.cpu,
            **fields,
        }
        return ports.SandboxSpec(name=name, command=command, **values)

    def python(self, code: str, name: str = "wbx-test-1", **fields: Any) -> ports.SandboxSpec:
        """An order for one Python program."""
        return self.spec(name, "python", "-c", code, **fields)

    async def begin(
        self, spec: ports.SandboxSpec, env: dict[str, str] | None = None
    ) -> ports.SandboxStatus:
        """Create and start."""
        await self.sandbox.create(spec)
        return await self.sandbox.start(spec.name, env or {})

    async def run(
        self, spec: ports.SandboxSpec, env: dict[str, str] | None = None
    ) -> ports.SandboxStatus:
        """Create, start and wait, at most two minutes."""
        await self.begin(spec, env)
        async with asyncio.timeout(120):
            return await self.sandbox.wait(spec.name)

    async def log(self, name: str = "wbx-test-1") -> bytes:
        """All output of a sandbox that has ended."""
        return b"".join([chunk async for chunk in self.sandbox.follow_log(name)])

    async def says(self, text: bytes, name: str = "wbx-test-1") -> None:
        """Wait until the program printed `text`."""

        async def there() -> bool:
            return text in await self.sandbox.read_log(name, 0)

        await until(there)

    async def blob(self, data: bytes) -> str:
        """Store bytes; their sha256."""
        return (await self.storage.put(blobs.stream(data))).sha256

    async def touch(self, name: str, path: str) -> None:
        """Make a file in the working folder while the program runs."""
        (self.root / name / "work" / path).touch()

    def lies(self, name: str, path: str) -> bytes:
        """What lies in the working folder now; empty if it is not there."""
        with contextlib.suppress(FileNotFoundError):
            return (self.box(name) / "work" / path).read_bytes()
        return b""

    def box(self, name: str) -> pathlib.Path:
        """The folder of a sandbox."""
        return self.root / name

    async def stored(self, text: str) -> list[str]:
        """Where a text lies that should lie nowhere: files but the log, lines of processes."""
        files = [path for path in self.root.rglob("*") if path.is_file() and path.name != "log"]
        found = [str(path) for path in files if text.encode() in path.read_bytes()]
        return found + [line for line in processes(self.root).values() if text in line]

    async def nothing_left(self, *, helpers: bool = False) -> None:
        """Claim: no process of any sandbox lives, and no folder of one is there. `helpers`: nor the zygote."""

        async def gone() -> bool:
            left = processes(self.root)
            return not left if helpers else all(comm(pid) in ("", "wbx-zygote") for pid in left)

        await until(gone)
        names = [entry.name for entry in self.root.iterdir() if not entry.name.startswith(".z")]
        assert [name for name in names if name != ".etc"] == []

    async def rest(self) -> None:
        """Close what is kept open for later."""


@contextlib.contextmanager
def local(
    path: pathlib.Path, *, isolate: bool | None, limits: orders.Limits = QUICK
) -> Iterator[Bench]:
    """The local adapter; on leaving, everything it started must be gone."""
    storage = local_storage.LocalStorage(path / "storage")
    root = path / "sandboxes"
    made: list[adapter.LocalSandbox] = []

    def make() -> adapter.LocalSandbox:
        made.append(
            adapter.LocalSandbox(root, storage, INSTALLATION, isolate=isolate, limits=limits)
        )
        return made[-1]

    try:
        yield Bench(make(), storage, root, make)
    finally:
        for each in made:
            each.close()
        for pid in processes(root):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


WAYS = ("isolated", "plain")


def local_way(
    way: str, path: pathlib.Path, **more: Any
) -> contextlib.AbstractContextManager[Bench]:
    """The local adapter, one of the two ways; skipped where it cannot isolate."""
    if way == "isolated" and not isolates():
        pytest.skip("bubblewrap does not work here (allow unprivileged user namespaces)")
    return local(path, isolate=None if way == "isolated" else False, **more)


def _kubernetes(
    request: pytest.FixtureRequest, path: pathlib.Path
) -> contextlib.AbstractContextManager[Bench]:
    import cluster_sandbox  # noqa: PLC0415 - it builds on this module

    return cluster_sandbox.bench(request, path)


def _vercel(
    request: pytest.FixtureRequest, path: pathlib.Path
) -> contextlib.AbstractContextManager[Bench]:
    import vercel_sandbox  # noqa: PLC0415 - it builds on this module

    return vercel_sandbox.bench(path)


def _do_runner(
    request: pytest.FixtureRequest, path: pathlib.Path
) -> contextlib.AbstractContextManager[Bench]:
    import droplet_sandbox  # noqa: PLC0415 - it builds on this module

    return droplet_sandbox.bench(request, path)


def _microvm(
    request: pytest.FixtureRequest, path: pathlib.Path
) -> contextlib.AbstractContextManager[Bench]:
    import droplet_sandbox  # noqa: PLC0415 - it builds on this module

    return droplet_sandbox.microvms(request, path)


Factory = Callable[[pytest.FixtureRequest, pathlib.Path], contextlib.AbstractContextManager[Bench]]

FACTORIES: dict[str, Factory] = {
    "do_runner": _do_runner,
    "kubernetes": _kubernetes,
    "local-isolated": lambda _, path: local_way("isolated", path),
    "local-plain": lambda _, path: local_way("plain", path),
    "vercel_sandbox": _vercel,
}
"""Every adapter that the contract suite runs against; a later one adds itself here."""
SHAPES: dict[str, Factory] = {"do_runner-microvm": _microvm}
"""Other shapes of machines of one of them: what is asked of the vendor is another thing, what runs there is the same."""
_OF_SHAPES = frozenset(
    {
        "test_a_run_from_beginning_to_end",
        "test_create_is_idempotent",
        "test_observe_shows_everything_with_its_tags",
        "test_delete_ends_and_removes",
        "test_files_are_staged",
        "test_it_sees_what_the_program_sees",
    }
)


def parametrize(metafunc: pytest.Metafunc) -> None:
    """`bench` for each adapter; of the shapes in what differs there, or in all with TESTS_EVERY_SHAPE=1."""
    if "bench" in metafunc.fixturenames:
        every = metafunc.function.__name__ in _OF_SHAPES or os.environ.get("TESTS_EVERY_SHAPE")
        names = sorted(FACTORIES) + (sorted(SHAPES) if every else [])
        metafunc.parametrize("bench", names, indirect=True)


def opened(
    name: str, request: pytest.FixtureRequest, path: pathlib.Path
) -> contextlib.AbstractContextManager[Bench]:
    """The bench of that name in an empty folder."""
    return {**FACTORIES, **SHAPES}[name](request, path)


def isolates() -> bool:
    """Whether bubblewrap works on this machine."""
    return bool(isolation.detect().bubblewrap)


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 300.0) -> None:
    """Poll until `condition` holds; fail after `seconds`."""
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end, "it did not come true in time"
        await asyncio.sleep(0.01)


def processes(root: pathlib.Path) -> dict[int, str]:
    """Living processes that belong to the sandboxes of a folder, helpers included: {pid: command line}."""
    found = {}
    mine = str(pathlib.Path("/proc/self/ns/mnt").readlink())
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if _belongs(entry, str(root), mine):
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(entry.name)] = line.decode(errors="replace")[-120:]
    return found


def _belongs(entry: pathlib.Path, root: str, namespace: str) -> bool:
    if (entry / "stat").read_text().rpartition(")")[2].split()[0] in "ZX":
        return False
    needle = root.encode()
    if needle in (entry / "cmdline").read_bytes() or needle in (entry / "environ").read_bytes():
        return True
    elsewhere = str((entry / "ns" / "mnt").readlink()) != namespace
    return elsewhere and needle in (entry / "mountinfo").read_bytes()


def programs(root: pathlib.Path) -> dict[int, str]:
    """As `processes`, without our own helpers: what the sandboxed programs are."""
    found = processes(root)
    return {pid: line for pid, line in found.items() if not comm(pid).startswith("wbx-")}


def comm(pid: int) -> str:
    """The name of a process; "" once it is gone."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


async def nothing_left(bench: Bench, *, helpers: bool = False) -> None:
    """See Bench.nothing_left."""
    await bench.nothing_left(helpers=helpers)


def tar(*members: tuple[str, bytes] | tarfile.TarInfo) -> bytes:
    """An archive: (name, content) pairs, or headers without content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                header = tarfile.TarInfo(member[0])
                header.size = len(member[1])
                archive.addfile(header, io.BytesIO(member[1]))
    return buffer.getvalue()


def digest(data: bytes) -> str:
    """sha256 as hex."""
    return hashlib.sha256(data).hexdigest()
