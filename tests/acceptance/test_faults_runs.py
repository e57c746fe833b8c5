"""Runs that misbehave, a database that dies, people who press Ctrl-C: right outcomes, nothing started twice, nothing left."""

import os
import pathlib
import signal
import subprocess
from collections.abc import Iterator

import cli_tree
import cli_wbx
import pytest

from workbenchx.store import embedded

STUBBORN = """
import os, signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
if os.fork():
    os.setpgid(0, 0)
else:
    os.setsid()
    if os.fork():
        os.chdir("/")
print("stubborn", flush=True)
time.sleep(600)
"""
FLOOD = """
import os
line = bytes(range(256)) * 4096
os.write(1, b"the head\\n")
for _ in range(200):
    left = memoryview(line)
    while left:
        left = left[os.write(1, left):]
os.write(1, b"\\nthe tail\\n")
"""
WITNESS = """
import time
print("alive", flush=True)
for _ in range(120):
    time.sleep(0.1)
print("done")
"""
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cli_wbx.Workbench]:
    """A workbench that was brought up once."""
    with cli_wbx.workbench(tmp_path_factory.mktemp("faults")) as made:
        for name, text in (("stubborn", STUBBORN), ("flood", FLOOD), ("witness", WITNESS)):
            (made.root / "code" / f"{name}.py").write_text(text)
        made.ok("up", "--once")
        yield made


@pytest.fixture(autouse=True)
def clean(bench: cli_wbx.Workbench) -> Iterator[None]:
    """Afterwards nobody holds a lease."""
    yield
    assert leases(bench) == 0


def leases(bench: cli_wbx.Workbench) -> int:
    """How many leases somebody holds: of runs, and of the leadership."""
    runs = "select 1 from ops.runs where state = 'running' and lease_until > now()"
    leader = "select 1 from ops.leader where until > now()"
    return sum(len(bench.ok("db", "psql", "-Atc", query).split()) for query in (runs, leader))


def starts_of(bench: cli_wbx.Workbench, name: str) -> int:
    """How often the command of RunnerJob/`name` was started."""
    query = "select r.name from ops.sandbox_runs s join ops.runs r using (run_id)"
    return bench.ok("db", "psql", "-Atc", query).split().count(name)


def job(bench: cli_wbx.Workbench, name: str, script: str) -> None:
    """Declare RunnerJob/`name`."""
    cli_tree.write(bench.root, name, cli_tree.job(name, f"[python, {script}.py]"))


def sandboxed(bench: cli_wbx.Workbench, word: str) -> list[str]:
    """Living processes whose command line has the word and that run below the home, or in a sandbox."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in line and "pytest" not in line:
            found.append(f"{entry.name} {line}")
    return found


def test_a_run_that_forks_and_ignores_every_signal_is_cancelled(bench: cli_wbx.Workbench) -> None:
    """`cancel` returns once the whole tree is gone: those that moved away, too."""
    job(bench, "stubborn", "stubborn")
    with bench.start("apply") as applying:
        run = bench.until(lambda: bench.run_of("stubborn", "running"), "the run to start")
        bench.until(
            lambda: bench.run("logs", "RunnerJob/stubborn").stdout.count("stubborn") == 3, "output"
        )
        assert len(sandboxed(bench, "stubborn.py")) >= 3

        bench.ok("cancel", run["run_id"])
        left = sandboxed(bench, "stubborn.py")
        cli_wbx.ended(applying)

    assert left == []
    assert bench.run_of("stubborn", "cancelled")
    assert starts_of(bench, "stubborn") == 1
    cli_tree.remove(bench.root, "stubborn")
    bench.ok("apply")


def test_a_flood_of_binary_output_is_bounded(bench: cli_wbx.Workbench) -> None:
    """200 MB of it: the run succeeds; head, tail and a marked gap are kept; database and storage stay small."""
    job(bench, "flood", "flood")
    bench.ok("apply")

    log = subprocess.run(
        [*cli_wbx.WBX, "logs", "RunnerJob/flood"],
        cwd=bench.root,
        env=cli_wbx.environment(bench.extra),
        capture_output=True,
        check=True,
    ).stdout

    assert bench.run_of("flood", "succeeded")
    assert log.startswith(b"the head\n")
    assert log.endswith(b"\nthe tail\n")
    assert len(log) < 100 * MEGABYTE
    assert any(b"bytes" in line for line in log.split(b"\n") if line.isascii()), "a marked gap"
    chunks = bench.ok(
        *("db", "psql", "-Atc", "select coalesce(sum(octet_length(data)), 0) from ops.log_chunks")
    )
    assert int(chunks) < 100 * MEGABYTE
    assert starts_of(bench, "flood") == 1


def test_a_postgres_that_dies_under_up_once(bench: cli_wbx.Workbench) -> None:
    """Kill -9 of the server in the middle of a run: it is started again, all ends Ready, in one attempt."""
    job(bench, "survivor", "witness")
    with bench.start("up", "--once") as working:
        bench.until(lambda: bench.run_of("survivor", "running"), "the run to start")
        pid = embedded.postmaster(bench.home)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        output = cli_wbx.ended(working, seconds=90)

    assert working.returncode == 0, output
    assert "Traceback" not in output
    assert embedded.postmaster(bench.home) not in {None, pid}
    assert starts_of(bench, "survivor") == 1
    assert bench.ok("logs", "RunnerJob/survivor") == "alive\ndone\n"
    assert "intact" in bench.ok("db", "verify")


def test_up_once_beside_a_serving_up(bench: cli_wbx.Workbench) -> None:
    """Both end right, and the command was started once."""
    with bench.start("up") as serving:
        bench.until(lambda: list((bench.home / "serving").glob("*")), "wbx up to serve")
        job(bench, "beside", "hello")
        bench.ok("up", "--once")
        assert bench.run_of("beside", "succeeded")
        serving.send_signal(signal.SIGINT)
        cli_wbx.ended(serving)

    assert serving.returncode == 130
    assert starts_of(bench, "beside") == 1


def test_ctrl_c_in_apply_leaves_the_run_to_its_supervisor(bench: cli_wbx.Workbench) -> None:
    """Exit 130 at once, no traceback; the run goes on, and the next `up --once` takes it to its end."""
    job(bench, "left", "witness")
    with bench.start("apply") as applying:
        bench.until(lambda: bench.run_of("left", "running"), "the run to start")
        with bench.start("logs", "-f", "RunnerJob/left") as following:
            assert following.stdout is not None
            assert following.stdout.readline() == "alive\n"
            following.send_signal(signal.SIGINT)
            heard = cli_wbx.ended(following)
        applying.send_signal(signal.SIGINT)
        output = cli_wbx.ended(applying)

    assert (following.returncode, applying.returncode) == (130, 130), output
    assert "Traceback" not in heard + output
    assert leases(bench) == 0
    assert len(sandboxed(bench, "witness.py")) > 0
    bench.ok("up", "--once")
    assert bench.run_of("left", "succeeded")
    assert starts_of(bench, "left") == 1
