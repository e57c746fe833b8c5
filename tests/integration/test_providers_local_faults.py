"""The local sandbox against programs that misbehave, and against kill -9 of everything that is ours."""

import asyncio
import contextlib
import datetime
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator

import providers_sandbox as support
import pytest

from workbenchx import ports
from workbenchx.providers.sandbox.local import orders
from workbenchx.providers.sandbox.supervision import layout

NAME = "wbx-test-1"
MEGABYTE = 1 << 20


@pytest.fixture(params=support.WAYS)
def bench(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[support.Bench]:
    """The local adapter with small limits."""
    limits = orders.Limits(grace=0.5, processes=40, disk=32 * MEGABYTE)
    with support.local_way(request.param, tmp_path, limits=limits) as made:
        yield made


async def is_clean(bench: support.Bench, name: str = NAME) -> None:
    """Delete the sandbox; nothing of it may be left, on disk or as a process."""
    await bench.sandbox.delete(name)
    await support.nothing_left(bench)


def live(bench: support.Bench, name: str = NAME) -> layout.Json:
    """What the supervisor says about itself."""
    found = layout.read(bench.root / name / "live.json")
    assert found is not None
    return found


async def test_a_fork_bomb_is_ended(bench: support.Bench) -> None:
    """A program that forks without end is stopped at the limit of processes, and all of it is killed."""
    code = "import os, time\nprint('boom')\nwhile True:\n    try: os.fork()\n    except OSError: time.sleep(0.001)"
    ended = await bench.run(bench.python(code))
    assert (ended.state, ended.reason) == ("exited", "Signalled")
    assert "more than 40 processes" in ended.message
    await is_clean(bench)


async def test_a_program_that_ignores_term_is_killed(bench: support.Bench) -> None:
    """After the grace period stop kills."""
    code = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf')\ntime.sleep(600)"
    await bench.begin(bench.python(code))
    await bench.says(b"deaf")
    before = time.monotonic()
    stopped = await bench.sandbox.stop(NAME)
    assert stopped is not None
    assert stopped.reason == "Cancelled"
    assert 0.4 < time.monotonic() - before < 10
    assert support.programs(bench.root) == {}
    await is_clean(bench)


@pytest.mark.parametrize("bench", ["plain"], indirect=True)
@pytest.mark.parametrize("content", ["", "{", None])
async def test_an_order_that_cannot_be_read_can_be_ended(
    bench: support.Bench, content: str | None
) -> None:
    """Its spec.json is empty, torn or away while it runs: it is seen, and ended by what else is known."""
    await bench.begin(bench.python("import time; print('up', flush=True); time.sleep(600)"))
    await bench.says(b"up")
    spec = bench.root / NAME / "spec.json"
    spec.unlink() if content is None else spec.write_text(content)
    (seen,) = (await bench.again().observe()).objects
    assert (seen.name, seen.state, seen.message) == (
        NAME,
        "running",
        "its spec.json cannot be read: it can only be ended",
    )
    if content == "{":
        stopped = await bench.sandbox.stop(NAME)
        assert stopped is not None
        assert (stopped.state, stopped.reason) == ("exited", "Cancelled")
        assert await bench.log() == b"up\n"
    await is_clean(bench)


DAEMON = textwrap.dedent("""
    import os, signal, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.chdir('/')
            os.execve(sys.executable, [sys.executable, '-c', 'import time; time.sleep(600)'], {'MARK': sys.argv[1]})
        os._exit(0)
    os.wait()
    print('daemon', flush=True)
    time.sleep(float(sys.argv[2]))
""")


def _marked(mark: str) -> list[int]:
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and f"MARK={mark}".encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


async def test_a_daemon_does_not_outlive_its_run(
    bench: support.Bench, tmp_path: pathlib.Path
) -> None:
    """A double-forked daemon with a session and an environment of its own ends with the command."""
    mark = tmp_path.name
    ended = await bench.run(bench.spec(NAME, "python", "-c", DAEMON, mark, "0"))
    assert ended.exit_code == 0
    assert _marked(mark) == []
    await is_clean(bench)


async def test_a_stop_ends_the_daemons_too(bench: support.Bench, tmp_path: pathlib.Path) -> None:
    """Stop returns when no process of the tree lives, wherever it moved itself."""
    mark = tmp_path.name
    await bench.begin(bench.spec(NAME, "python", "-c", DAEMON, mark, "600"))
    await bench.says(b"daemon")
    await support.until(lambda: _one(mark))
    await bench.sandbox.stop(NAME)
    assert _marked(mark) == []
    await is_clean(bench)


async def test_a_killed_supervisor_leaves_nothing(
    bench: support.Bench, tmp_path: pathlib.Path
) -> None:
    """Kill -9 of the supervisor: waiters hear of it, the run is Lost, the whole tree is dead, no second start."""
    mark = tmp_path.name
    await bench.begin(bench.spec(NAME, "python", "-c", DAEMON, mark, "600"))
    await bench.says(b"daemon")
    waiting = asyncio.create_task(bench.sandbox.wait(NAME))
    await asyncio.sleep(0)
    os.kill(live(bench)["pid"], signal.SIGKILL)
    async with asyncio.timeout(120):
        lost = await waiting
    assert (lost.state, lost.reason, lost.exit_code) == ("exited", "Lost", None)
    await support.until(lambda: _none(mark))
    assert (await bench.sandbox.start(NAME, {})).reason == "Lost"
    assert (await bench.log()).count(b"daemon") == 1
    await is_clean(bench)


async def _none(mark: str) -> bool:
    return not _marked(mark)


async def _one(mark: str) -> bool:
    """The daemon has its mark from its exec on, which comes after its parent has gone."""
    return len(_marked(mark)) == 1


async def test_supervisor_and_holder_killed_together(bench: support.Bench) -> None:
    """Kill -9 of both of ours at once: the next look at the sandbox ends what they left."""
    await bench.begin(bench.spec(NAME, "sh", "-c", "sleep 600 & sleep 600 & echo up; wait"))
    await bench.says(b"up")
    ours = live(bench)
    os.kill(ours["holder"], signal.SIGSTOP)
    os.kill(ours["pid"], signal.SIGKILL)
    os.kill(ours["holder"], signal.SIGKILL)
    lost = await bench.sandbox.wait(NAME)
    assert lost.reason == "Lost"
    assert support.programs(bench.root) == {}
    await is_clean(bench)


async def test_a_killed_zygote_takes_no_run_with_it(bench: support.Bench) -> None:
    """Kill -9 of the helper that forks supervisors: runs go on, and the next start makes a new helper."""
    await bench.begin(bench.python("import time; time.sleep(0.7); print('whole')"))
    (zygote,) = (pid for pid in support.processes(bench.root) if support.comm(pid) == "wbx-zygote")
    os.kill(zygote, signal.SIGKILL)
    assert (await bench.run(bench.spec("wbx-next", "true"))).exit_code == 0
    assert (await bench.sandbox.wait(NAME)).exit_code == 0
    assert await bench.log() == b"whole\n"
    await bench.sandbox.delete("wbx-next")
    await is_clean(bench)


async def test_the_zygote_ends_with_its_last_user(tmp_path: pathlib.Path) -> None:
    """When no process of ours uses the folder, no helper stays."""
    with support.local(tmp_path, isolate=False) as bench:
        await bench.run(bench.spec(NAME, "true"))
        await bench.sandbox.delete(NAME)
    await support.nothing_left(bench, helpers=True)


async def test_a_memory_hog_is_ended(bench: support.Bench) -> None:
    """One process beyond the limit: OutOfMemory."""
    code = "import time\nx = []\nwhile True:\n    x.append(b'x' * 4000000)\n    time.sleep(0.001)"
    ended = await bench.run(bench.python(code, memory=96 * MEGABYTE))
    assert ended.reason == "OutOfMemory"
    assert ended.max_memory is not None
    assert 96 * MEGABYTE < ended.max_memory < 1024 * MEGABYTE
    await is_clean(bench)


async def test_memory_counts_for_the_whole_tree(bench: support.Bench) -> None:
    """Many small processes together beyond the limit: OutOfMemory."""
    code = "import os, time\nfor _ in range(6):\n    if os.fork() == 0: break\nx = b'x' * 30000000\ntime.sleep(600)"
    ended = await bench.run(bench.python(code, memory=128 * MEGABYTE))
    assert ended.reason == "OutOfMemory"
    await is_clean(bench)


async def test_shared_memory_is_counted_once(bench: support.Bench) -> None:
    """Forked workers that share their parent's pages do not add up to OutOfMemory."""
    code = (
        "import os, time\nx = b'x' * 60000000\n"
        "for _ in range(6):\n    if os.fork() == 0:\n        time.sleep(1.5)\n        os._exit(0)\n"
        "for _ in range(6): os.wait()\nprint('shared')"
    )
    ended = await bench.run(bench.python(code, memory=160 * MEGABYTE))
    assert (ended.reason, await bench.log()) == ("Exited", b"shared\n")
    await is_clean(bench)


async def test_one_huge_file_is_refused(bench: support.Bench) -> None:
    """A file beyond the limit of disk ends the program: DiskFull."""
    script = "exec dd if=/dev/zero of=big bs=1M count=4000"
    ended = await bench.run(bench.spec(NAME, "sh", "-c", script))
    assert ended.reason == "DiskFull"
    size = (bench.root / NAME / "work" / "big").stat().st_size
    assert size <= 66 * MEGABYTE
    await is_clean(bench)


async def test_many_files_fill_the_quota(bench: support.Bench) -> None:
    """Files that are small one by one count together, in any writable folder: DiskFull."""
    code = (
        "import os, time\ni = 0\nwhile True:\n    i += 1\n"
        "    open(os.path.join(os.environ['TMPDIR'], str(i)), 'wb').write(b'x' * 1000000)\n"
        "    time.sleep(0.02)"
    )
    ended = await bench.run(bench.python(code))
    assert ended.reason == "DiskFull"
    await is_clean(bench)


async def test_a_deadline_needs_no_caller(bench: support.Bench, tmp_path: pathlib.Path) -> None:
    """A run whose caller is dead ends at its deadline all the same, daemons included."""
    deadline = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)
    spec = bench.spec(NAME, "python", "-c", DAEMON, tmp_path.name, "600", deadline=deadline)
    await bench.begin(spec)
    bench.sandbox.close()  # type: ignore[attr-defined] # the local adapter has it
    await support.until(lambda: _none_but_started(bench, tmp_path.name))
    status = await bench.again().status(NAME)
    assert status is not None
    assert status.reason == "DeadlineExceeded"
    assert layout.read(bench.root / NAME / "status.json")
    await is_clean(bench)


async def _none_but_started(bench: support.Bench, mark: str) -> bool:
    return (bench.root / NAME / "status.json").exists() and not _marked(mark)


CALLER = textwrap.dedent("""
    import asyncio, os, pathlib, signal, sys, time
    from workbenchx import ports
    from workbenchx.providers.sandbox.local import adapter
    from workbenchx.providers.storage import local

    async def main():
        root, point, isolate = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
        def reached(name):
            if name == point:
                os.kill(os.getpid(), signal.SIGKILL)
        storage = local.LocalStorage(root / "storage")
        sandbox = adapter.LocalSandbox(
            root / "sandboxes", storage, "i", isolate=None if isolate == "isolated" else False
        )
        code = "open('count', 'a').write('x'); print('ran'); import time; time.sleep(0.2)"
        spec = ports.SandboxSpec(
            name="wbx-test-1", tags={}, shape="execution", image="x", command=("python", "-c", code)
        )
        delay = float(point) if point[0].isdigit() else None
        if delay is not None:
            asyncio.get_running_loop().call_later(delay, os.kill, os.getpid(), signal.SIGKILL)
        await sandbox.create(spec)
        reached("created")
        starting = asyncio.create_task(sandbox.start(spec.name, {}))
        while point == "starting" and not starting.done():
            await asyncio.sleep(0)
            if (root / "sandboxes" / "wbx-test-1" / "started").exists():
                reached("starting")
        await starting
        reached("started")
        await sandbox.wait(spec.name)
        reached("waited")
        await sandbox.delete(spec.name)
        reached("deleted")
        print("whole")

    asyncio.run(main())
""")


def _caller(bench: support.Bench, point: str, kind: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", CALLER, str(bench.root.parent), point, kind]
    return subprocess.run(command, capture_output=True, timeout=60, check=False)


POINTS = [
    "created",
    "starting",
    "started",
    "waited",
    "deleted",
    "0.01",
    "0.03",
    "0.05",
    "0.1",
    "0.2",
]


@pytest.mark.parametrize("point", POINTS)
async def test_a_killed_caller_costs_nothing(
    bench: support.Bench, point: str, request: pytest.FixtureRequest
) -> None:
    """Kill -9 of the caller anywhere: the next one finishes the job, and the command ran exactly once."""
    kind = request.node.callspec.params["bench"]
    killed = await asyncio.to_thread(_caller, bench, point, kind)
    assert killed.returncode in (-signal.SIGKILL, 0), killed.stderr
    deleted = point == "deleted" or killed.returncode == 0
    sandbox = bench.again()
    code = "open('count', 'a').write('x'); print('ran'); import time; time.sleep(0.2)"
    spec = ports.SandboxSpec(
        name=NAME, tags={}, shape="execution", image="x", command=("python", "-c", code)
    )
    await sandbox.create(spec)
    await sandbox.start(NAME, {})
    ended = await sandbox.wait(NAME)
    assert ended.exit_code == 0
    assert (bench.root / NAME / "work" / "count").read_text() == "x"
    assert await bench.log() == b"ran\n"
    assert deleted or ended.reason == "Exited"
    await is_clean(bench)


async def test_a_killed_create_and_delete_are_swept(bench: support.Bench) -> None:
    """What a killed create or delete left in the folder is removed when the next process begins."""
    await bench.run(bench.spec(NAME, "sh", "-c", "mkdir d; echo x > d/f; chmod 0 d"))
    (bench.root / NAME).rename(bench.root / f".trash-{NAME}-0000")
    half = bench.root / ".new-wbx-half-0000"
    half.mkdir()
    (half / "lock").touch()
    os.utime(half, (0, 0))
    bench.again()
    await support.nothing_left(bench)


async def test_a_status_from_before_a_power_cut(bench: support.Bench) -> None:
    """After another boot only an outcome that was made durable is believed; what never started is made anew."""
    for name in ("wbx-waited", "wbx-alone", "wbx-created"):
        await bench.sandbox.create(bench.spec(name, "true"))
    await bench.sandbox.start("wbx-alone", {})
    await support.until(lambda: _durable(bench, "wbx-alone"))
    await bench.sandbox.start("wbx-waited", {})
    await bench.sandbox.wait("wbx-waited")
    for path in bench.root.rglob("*.json"):
        path.write_text(path.read_text().replace(layout.boot(), "another-boot"))
    waited = bench.root / "wbx-waited" / "status.json"
    waited.write_text(waited.read_text().replace('"durable": true', '"durable": false'))
    seen = {each.name: each.reason for each in (await bench.again().observe()).objects}
    assert seen == {"wbx-alone": "Exited", "wbx-waited": "Lost"}
    for name in seen:
        await bench.sandbox.delete(name)
    await support.nothing_left(bench)


async def _durable(bench: support.Bench, name: str) -> bool:
    return bool((layout.read(bench.root / name / "status.json") or {}).get("durable"))


async def test_a_full_disk_is_said(bench: support.Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose disk is full ends a run with DiskFull."""
    full: Callable[..., ports.SandboxProvider] = type(bench.sandbox)
    limits = orders.Limits(grace=0.2, disk_reserve=1 << 62)
    sandbox = full(bench.root, bench.storage, "i", isolate=False, limits=limits)
    await sandbox.create(bench.spec(NAME, "sleep", "60"))
    await sandbox.start(NAME, {})
    ended = await sandbox.wait(NAME)
    assert ended.reason == "DiskFull"
    sandbox.close()  # type: ignore[attr-defined] # the local adapter has it
    await is_clean(bench)
