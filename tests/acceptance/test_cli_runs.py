"""Runs while they run: live output, cancel, Ctrl-C, two at once, kill -9; and the brakes."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import cli_schemas
import cli_tree
import cli_wbx
import pytest


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cli_wbx.Workbench]:
    """A workbench that was brought up once."""
    with cli_wbx.workbench(tmp_path_factory.mktemp("runs")) as made:
        made.ok("up", "--once")
        yield made


def starts_of(bench: cli_wbx.Workbench, name: str) -> int:
    """How often the command of RunnerJob/`name` was started, by the record that the start claims."""
    query = (
        "select r.name from sandbox_runs s join runs r using (run_id) where r.operation = 'execute'"
    )
    return bench.ok("db", "psql", "-Atc", query).split().count(name)


def test_logs_are_followed_live_and_a_run_is_cancelled(bench: cli_wbx.Workbench) -> None:
    """`logs -f` prints while the run goes on and ends with it; `cancel` returns once the process tree is gone."""
    cli_tree.write(bench.root, "endless", cli_tree.ticking("endless", 3000))
    with bench.start("apply") as applying:
        run = bench.until(lambda: bench.run_of("endless", "running"), "the run to start")
        with bench.start("logs", "-f", "RunnerJob/endless") as following:
            assert following.stdout is not None
            first = [following.stdout.readline() for _ in range(3)]
            still_running = bench.run_of("endless", "running")

            answer = bench.json("cancel", run["run_id"][:18], "--json")
            rest = cli_wbx.ended(following).splitlines()
        cli_wbx.ended(applying)

    assert first == ["tick 0\n", "tick 1\n", "tick 2\n"]
    assert still_running
    assert rest == [f"tick {at}" for at in range(3, 3 + len(rest))]
    assert (following.returncode, applying.returncode) == (0, 1)
    cli_schemas.check("cancel", answer)
    assert answer == {"run_id": run["run_id"], "state": "cancelled"}
    assert "ancelled" in bench.ok("why", "RunnerJob/endless")
    again = bench.run("cancel", run["run_id"])
    assert again.returncode == 1
    assert "is not running" in again.stderr
    cli_tree.remove(bench.root, "endless")
    bench.ok("apply")


def serves(bench: cli_wbx.Workbench, process: "subprocess.Popen[str]") -> bool:
    """Whether this `wbx up` said that it serves; one that was killed leaves its mark behind."""
    return (bench.home / "serving" / str(process.pid)).exists()


@pytest.mark.parametrize("ignored", [False, True], ids=["", "background"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_up_in_good_order(
    bench: cli_wbx.Workbench, number: signal.Signals, code: int, ignored: bool
) -> None:
    """Ctrl-C: exit 130, no traceback, and the database stays up for the next command.

    So it is in a script's background, where the shell has SIGINT ignored.
    """
    with interrupts_are(signal.SIG_IGN if ignored else signal.SIG_DFL), bench.start("up") as up:
        bench.until(lambda: serves(bench, up), "wbx up to serve")
        up.send_signal(number)
        output = cli_wbx.ended(up)

    assert up.returncode == code, output
    assert "Traceback" not in output
    assert "stopped serving" in output
    assert not serves(bench, up)
    assert bench.json("db", "status", "--json")["running"]


@contextlib.contextmanager
def interrupts_are(disposition: signal.Handlers) -> Iterator[None]:
    """While inside, programs start with this disposition of SIGINT, whatever these tests were started with."""
    before = signal.signal(
        signal.SIGINT, disposition if disposition == signal.SIG_IGN else signal.default_int_handler
    )
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_before_the_work_has_its_exit_code_too(
    number: signal.Signals, code: int, tmp_path: pathlib.Path
) -> None:
    """A signal that comes as soon as the program runs does not kill it raw."""
    program = (
        "import os, sys; from workbenchx.cli import lazy, main\n"
        f"lazy.LazyGroup.get_command = lambda *_: os.kill(os.getpid(), {int(number)})\n"
        "sys.argv = ['wbx', 'up']; main.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path, env=cli_wbx.environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == code, done.stderr
    assert done.stderr.split() == ["wbx:", "interrupted"]


def test_a_serving_up_takes_up_edits(bench: cli_wbx.Workbench) -> None:
    """Saving a file is enough; the change is one line."""
    with bench.start("up") as serving:
        bench.until(lambda: serves(bench, serving), "wbx up to serve")
        cli_tree.write(bench.root, "watched", cli_tree.dataset("watched"))
        bench.until(lambda: bench.run("get", "Dataset/watched").returncode == 0, "the new file")
        serving.send_signal(signal.SIGINT)
        output = cli_wbx.ended(serving)

    assert "Dataset/watched Ready" in output


def test_two_at_once_start_a_command_once(bench: cli_wbx.Workbench) -> None:
    """Two `up --once` on one home: both end well, and the job's command was started exactly once."""
    cli_tree.write(bench.root, "twice", cli_tree.ticking("twice", 10))

    with bench.start("up", "--once") as one, bench.start("up", "--once") as other:
        outputs = [cli_wbx.ended(each, seconds=60) for each in (one, other)]

    assert [one.returncode, other.returncode] == [0, 0], outputs
    assert starts_of(bench, "twice") == 1


def test_kill_9_in_the_middle_of_a_run_loses_nothing(bench: cli_wbx.Workbench) -> None:
    """The run goes on without `wbx`; the next `up --once` takes it over, and its command is not started again."""
    cli_tree.write(bench.root, "orphan", cli_tree.ticking("orphan", 80))
    with bench.start("up") as serving:
        bench.until(lambda: bench.run_of("orphan", "running"), "the run to start")
        bench.until(lambda: "tick" in bench.run("logs", "RunnerJob/orphan").stdout, "its output")
        os.killpg(serving.pid, signal.SIGKILL)

    bench.ok("up", "--once")

    assert bench.run_of("orphan", "succeeded")
    assert starts_of(bench, "orphan") == 1
    assert bench.ok("logs", "RunnerJob/orphan").splitlines() == [f"tick {at}" for at in range(80)]


def test_deleting_most_files_holds_until_it_is_confirmed(tmp_path: pathlib.Path) -> None:
    """A brake: nothing is destroyed without the plan's token, which `wbx confirm` shows, and a wrong token destroys nothing.

    What was confirmed is not counted: a small delete right after it goes.
    """
    with cli_wbx.workbench(tmp_path) as bench:
        many = "---\n".join(cli_tree.dataset(f"d{at:02}") for at in range(20))
        cli_tree.write(bench.root, "many", many)
        bench.ok("up", "--once")
        cli_tree.remove(bench.root, "many")

        held = bench.run("apply")
        count = len(bench.json("get", "datasets", "--json")["items"])
        token = bench.json("plan", "--json", code=2)["destroy_token"]
        wrong = bench.run("confirm", "0" * 12)

        assert held.returncode == 1
        assert count == 21
        assert token in bench.run("plan").stdout
        assert wrong.returncode == 1
        assert len(bench.json("get", "datasets", "--json")["items"]) == 21
        shown = bench.run("confirm")
        assert (shown.returncode, f"wbx confirm {token}" in shown.stdout) == (2, True)
        assert bench.json("confirm", "--json", code=2)["destroy_token"] == token
        bench.ok("confirm", token)
        assert bench.ok("confirm") == "Nothing waits to be confirmed.\n"
        assert [item["name"] for item in bench.json("get", "ds", "--json")["items"]] == ["prices"]
        assert bench.run("plan").returncode == 0
        assert bench.run("confirm", token).returncode == 1
        cli_tree.write(bench.root, "few", cli_tree.dataset("few"))
        bench.ok("apply")
        cli_tree.remove(bench.root, "few")
        bench.ok("apply")
        assert [item["name"] for item in bench.json("get", "ds", "--json")["items"]] == ["prices"]


def test_stop_ends_everything_that_up_left(tmp_path: pathlib.Path) -> None:
    """Apps, running jobs and Postgres, whatever wbx.toml says; the run is cancelled and says so; `up` brings the app back."""
    with cli_wbx.workbench(tmp_path) as bench:
        cli_tree.write(bench.root, "app", APP)
        cli_tree.write(bench.root, "endless", cli_tree.ticking("endless", 1000))
        with bench.start("up") as serving:
            bench.until(lambda: bench.run_of("endless", "running"), "the run to start")
            web = ("get", "AppDeployment/web", "-o", "json")
            bench.until(lambda: is_ready(bench.json(*web)), "the app to answer")

            (bench.root / "wbx.toml").write_text("colour = \n")
            done = bench.run("up", "--stop")
            (bench.root / "wbx.toml").unlink()
            cli_wbx.ended(serving)

        assert (done.returncode, serving.returncode) == (0, 143), done.stderr
        assert "wbx: warning: settings: " in done.stderr
        assert "wbx.toml:1:10: not TOML" in done.stderr
        assert "cancelled run " in done.stderr
        assert f"stopped Postgres; the data stays in {bench.home}" in done.stderr
        assert not bench.json("db", "status", "--json", code=1)["running"]
        bench.until(lambda: not processes_of(bench.home), "every process to end")
        assert bench.run("up", "--stop").returncode == 0
        assert bench.run_of("endless", "cancelled")
        cli_tree.remove(bench.root, "endless")
        again = bench.run("up", "--once")
        assert (again.returncode, f"the data is in {bench.home}" in again.stderr) == (0, True)
        assert is_ready(bench.json(*web))


def is_ready(resource: dict[str, Any]) -> bool:
    """Whether its Ready condition is true."""
    (ready,) = (each for each in resource["status"]["conditions"] if each["type"] == "Ready")
    return bool(ready["status"] == "True")


APP = f"""\
{cli_tree.API}
kind: App
metadata: {{name: web, namespace: lab}}
spec:
  project: lab
  repo: .
  command: [python, serve.py]
  port: 8080
---
{cli_tree.API}
kind: AppDeployment
metadata: {{name: web, namespace: lab}}
spec:
  project: lab
  app: web
  runtime: python
  health: {{path: /, interval: 5s, timeout: 2s}}
"""


def processes_of(home: pathlib.Path) -> list[str]:
    """Processes that work in the home folder or name it."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            folder = str((entry / "cwd").readlink())
        except OSError:
            continue
        if str(home) in line or folder.startswith(str(home)):
            found.append(f"{entry.name} {line}")
    return found
