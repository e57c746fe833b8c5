"""What a program in an isolated local sandbox cannot do, and that a plain one is never taken for isolated."""

import json
import logging
import os
import pathlib
import socket
import textwrap
from collections.abc import Iterator

import providers_sandbox as support
import pytest

from workbenchx.providers.sandbox.local import adapter, isolation, seccomp
from workbenchx.providers.storage import local as local_storage

NAME = "wbx-test-1"

# The program tries everything and tells what happened; "ok" is what a test must not find where it may not be.
PROBE = textwrap.dedent("""
    import ctypes, json, os, pathlib, socket, sys
    targets = json.loads(os.environ["TARGETS"])
    told = {}

    def attempt(name, action):
        try:
            told[name] = "ok: " + repr(action())[:200]
        except BaseException as problem:
            told[name] = type(problem).__name__ + ": " + str(problem)

    def unix(path):
        socket.socket(socket.AF_UNIX).connect(path)

    def tcp(port):
        socket.create_connection(("127.0.0.1", port), 2).close()

    libc = ctypes.CDLL(None, use_errno=True)

    def call(name, *args):
        if getattr(libc, name)(*args) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    for path in targets["read"]:
        attempt("read " + path, lambda: pathlib.Path(path).read_text())
    for path in targets["list"]:
        attempt("list " + path, lambda: os.listdir(path))
    for path in targets["write"]:
        attempt("write " + path, lambda: pathlib.Path(path).write_text("x"))
    for path in targets["unix"]:
        attempt("unix " + path, lambda: unix(path))
    attempt("abstract", lambda: unix("\\0" + targets["abstract"]))
    attempt("tcp", lambda: tcp(targets["tcp"]))
    attempt("lookup", lambda: socket.getaddrinfo("example.com", 80))
    attempt("kill", lambda: os.kill(targets["pid"], 0))
    attempt("ptrace", lambda: call("ptrace", 16, 1, 0, 0))
    attempt("traceme", lambda: call("ptrace", 0, 0, 0, 0))
    attempt("mount", lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, 0))
    attempt("umount", lambda: call("umount2", b"/proc", 2))
    attempt("userns", lambda: call("unshare", 0x10000000))
    attempt("netns", lambda: call("unshare", 0x40000000))
    attempt("chroot", lambda: os.chroot("/tmp"))
    attempt("mknod", lambda: os.mknod("/tmp/null", 0o020666, os.makedev(1, 3)))
    attempt("hostname", lambda: socket.sethostname("other"))
    attempt("setuid", lambda: os.setuid(0))
    status = pathlib.Path("/proc/self/status").read_text().split("\\n")
    told["status"] = dict(line.split(":\\t", 1) for line in status if ":\\t" in line)
    told["pids"] = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    told["root"] = sorted(os.listdir("/"))
    told["dev"] = sorted(os.listdir("/dev"))
    told["etc"] = sorted(os.listdir("/etc"))
    told["interfaces"] = [name for _, name in socket.if_nameindex()]
    told["hostname"] = socket.gethostname()
    told["uid"] = os.getuid()
    told["fds"] = sorted(os.listdir("/proc/self/fd"))
    told["mounts"] = pathlib.Path("/proc/self/mountinfo").read_text()
    told["written"] = [attempt("own " + path, lambda: pathlib.Path(path, "x").write_text("x"))
                       for path in (".", os.environ["HOME"], os.environ["TMPDIR"], "/dev/shm")]
    json.dump(told, open("told.json", "w"))
""")


@pytest.fixture
def bench(tmp_path: pathlib.Path) -> Iterator[support.Bench]:
    """The isolated local adapter."""
    with support.local_way("isolated", tmp_path) as made:
        yield made


class Host:
    """Things of the host that a program must not reach."""

    def __init__(self, path: pathlib.Path) -> None:
        path.mkdir()
        self.secret = path / "id_rsa"
        self.secret.write_text("PRIVATE KEY OF THE HOST")
        self.home = pathlib.Path.home() / f".wbx-probe-{os.getpid()}"
        self.home.write_text("PRIVATE FILE OF THE HOME FOLDER")
        self.database = socket.socket(socket.AF_UNIX)
        self.address = str(path / ".s.PGSQL.5432")
        self.database.bind(self.address)
        self.database.listen()
        self.hidden = socket.socket(socket.AF_UNIX)
        self.hidden.bind(f"\0wbx-probe-{os.getpid()}")
        self.hidden.listen()
        self.web = socket.create_server(("127.0.0.1", 0))

    def close(self) -> None:
        """Clean up."""
        self.home.unlink()
        for each in (self.database, self.hidden, self.web):
            each.close()


@pytest.fixture
def host(tmp_path: pathlib.Path) -> Iterator[Host]:
    """A host with secrets."""
    made = Host(tmp_path / "host")
    yield made
    made.close()


async def probe(bench: support.Bench, host: Host) -> dict[str, object]:
    """What a program could do."""
    other = bench.root / "wbx-other" / "work" / "data"
    await bench.sandbox.create(bench.spec("wbx-other", "true"))
    other.write_text("DATA OF ANOTHER SANDBOX")
    read = [
        host.secret,
        host.home,
        other,
        bench.root / NAME / "spec.json",
        "/etc/shadow",
        "/etc/machine-id",
    ]
    write = [
        "/x",
        "/usr/x",
        "/etc/passwd",
        "/dev/x",
        "/proc/sys/kernel/hostname",
        "/proc/sysrq-trigger",
    ]
    write += [str(bench.root / NAME / "work" / "x"), "/wbx/x", "/wbx/python/bin/python3"]
    targets = {
        "read": [str(path) for path in read],
        "list": ["/root/.ssh", "/home", "/var", "/run", "/sys", str(bench.root), "/opt"],
        "write": write,
        "unix": [
            host.address,
            "/var/run/docker.sock",
            "/run/docker.sock",
            str(bench.root / ".zygote"),
        ],
        "abstract": f"wbx-probe-{os.getpid()}",
        "tcp": host.web.getsockname()[1],
        "pid": os.getpid(),
    }
    ended = await bench.run(bench.python(PROBE), {"TARGETS": json.dumps(targets)})
    assert ended.exit_code == 0, await bench.log()
    told: dict[str, object] = json.loads((bench.root / NAME / "work" / "told.json").read_text())
    return told


async def test_what_a_program_cannot_reach(bench: support.Bench, host: Host) -> None:
    """Files, folders, sockets, ports and processes of the host do not exist for it; dangerous calls are refused."""
    told = await probe(bench, host)
    verbs = ("read ", "list ", "write ", "unix ")
    allowed = {
        name for name, what in told.items() if str(what).startswith("ok") and name.startswith(verbs)
    }
    assert allowed == set()
    calls = [
        "abstract",
        "tcp",
        "lookup",
        "kill",
        "ptrace",
        "traceme",
        "mount",
        "umount",
        "userns",
        "netns",
        "chroot",
        "mknod",
        "hostname",
        "setuid",
    ]
    assert {name for name in calls if str(told.get(name, "")).startswith("ok")} == set()
    own = {name: what for name, what in told.items() if name.startswith("own ")}
    assert len(own) == 4
    assert all(str(what).startswith("ok") for what in own.values())
    assert (host.secret.read_text(), host.home.read_text()) == (
        "PRIVATE KEY OF THE HOST",
        "PRIVATE FILE OF THE HOME FOLDER",
    )


async def test_what_a_program_sees(bench: support.Bench, host: Host) -> None:
    """Its own processes, a loopback of its own, no capability, no way to new privileges, a filter, our user."""
    told = await probe(bench, host)
    status = told["status"]
    assert isinstance(status, dict)
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {
        "0" * 16
    }
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert told["interfaces"] == ["lo"]
    assert (told["hostname"], told["uid"]) == ("wbx", 1000)
    assert told["fds"] == ["0", "1", "2", "3"]
    pids = told["pids"]
    assert isinstance(pids, list)
    assert max(pids) < 20
    assert "docker.sock" not in str(told["mounts"])
    root, etc = told["root"], told["etc"]
    assert isinstance(root, list)
    assert isinstance(etc, list)
    assert not {"sys", "run", "var", "opt", "mnt", "srv", "boot", "work"} & set(root)
    assert not {"shadow", "hostname", "machine-id", "ssh", "sudoers", "resolv.conf"} & set(etc)


async def test_the_network_is_there_when_asked_for(bench: support.Bench) -> None:
    """With egress the machine's network is shared, and the status says that hosts are not filtered."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = (
            f"import socket; socket.create_connection(('127.0.0.1', {port}), 5); print('connected')"
        )
        spec = bench.python(code, egress=("example.com",))
        made = await bench.sandbox.create(spec)
        assert "local cannot filter hosts" in made.message
        await bench.run(spec)
        assert await bench.log() == b"connected\n"


async def test_dynamic_libraries_are_not_loaded_outside(bench: support.Bench) -> None:
    """LD_PRELOAD of a run concerns the program inside, never a process of ours outside."""
    ended = await bench.run(bench.spec(NAME, "true"), {"LD_PRELOAD": "/wbx/work/evil.so"})
    assert ended.exit_code == 0
    assert b"evil.so" in await bench.log()
    assert (await bench.log()).count(b"cannot be preloaded") == 1


async def test_a_plain_sandbox_says_so(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without isolation: a capability that is False, a warning at start, and a note on every sandbox."""
    with caplog.at_level(logging.WARNING), support.local(tmp_path, isolate=False) as bench:
        assert not bench.sandbox.capabilities.isolates
        assert "do not isolate" in caplog.text
        made = await bench.sandbox.create(bench.spec(NAME, "true"))
        assert "NOT ISOLATED" in made.message
        ended = await bench.run(bench.spec(NAME, "true"))
        assert any("NOT ISOLATED" in note for note in ended.fields["notes"])


def test_a_refused_bubblewrap_is_a_plain_sandbox(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where bubblewrap cannot make namespaces the adapter works without, and names the cause."""
    broken = tmp_path / "bwrap"
    broken.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"
    )
    broken.chmod(0o755)
    monkeypatch.setattr(isolation, "_program", lambda: str(broken))
    isolation.detect.cache_clear()
    try:
        assert isolation.detect().bubblewrap == ""
        assert "No permissions to create new namespace" in isolation.detect().why
        made = adapter.LocalSandbox(
            tmp_path / "sandboxes", local_storage.LocalStorage(tmp_path / "storage"), "i"
        )
        assert not made.capabilities.isolates
        made.close()
    finally:
        isolation.detect.cache_clear()


def test_the_filter_knows_its_machines() -> None:
    """A filter is a list of 8-byte steps that ends by allowing; an unknown machine has none."""
    for machine in ("x86_64", "aarch64"):
        program = seccomp.program(machine)
        assert len(program) % 8 == 0
        assert program[-8:] == bytes.fromhex("060000000000ff7f")
    assert seccomp.program("vax") == b""
