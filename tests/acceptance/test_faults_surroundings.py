"""Odd surroundings: a long path, another time zone, terminals that know little, readers that leave, another user."""

import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping

import cli_tree
import cli_wbx
import pytest
import tools

MANILA = {"TZ": "Asia/Manila"}
NOBODY = 65534


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cli_wbx.Workbench]:
    """A workbench far down in the file system, beyond what a socket's path may be, brought up east of Greenwich."""
    folder = tmp_path_factory.mktemp("odd").joinpath(*["a rather long name, with blanks and ü"] * 6)
    folder.mkdir(parents=True)
    with cli_wbx.workbench(folder) as made:
        done = started(made, "up", "--once", extra=MANILA)
        assert done.returncode == 0, done.stderr
        yield made


def started(
    bench: cli_wbx.Workbench, *arguments: str, extra: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """One command in other surroundings."""
    return cli_wbx.wbx(*arguments, folder=bench.root, extra={**bench.extra, **extra})


def shell(bench: cli_wbx.Workbench, script: str) -> subprocess.CompletedProcess[str]:
    """A shell line in which `$wbx` is the command."""
    environment = cli_wbx.environment({**bench.extra, "wbx": " ".join(cli_wbx.WBX)})
    return subprocess.run(
        ["bash", "-c", script],
        cwd=bench.root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_very_long_home_works(bench: cli_wbx.Workbench) -> None:
    """Longer than a Unix socket's path may be, with blanks and letters beyond ASCII: everything is Ready."""
    assert len(os.fsencode(bench.home)) > 200
    assert bench.run_of("hello", "succeeded")
    assert bench.ok("logs", "RunnerJob/hello") == "hello from lab\n"


def test_the_time_zone_changes_no_recorded_time(bench: cli_wbx.Workbench) -> None:
    """Times are UTC wherever the clock hangs, and a plan made elsewhere is empty."""
    (run,) = bench.json("runs", "RunnerJob/hello", "--json")["items"]

    ended = datetime.datetime.fromisoformat(run["ended_at"])

    assert ended.utcoffset() == datetime.timedelta(0)
    assert abs(datetime.datetime.now(datetime.UTC) - ended) < datetime.timedelta(minutes=10)
    done = started(bench, "plan", extra={"TZ": "America/St_Johns"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "-" not in started(bench, "runs", extra=MANILA).stdout.split("ago")[0].split()[-1]


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param({"LANG": "C", "LC_ALL": "C"}, id="C"),
        pytest.param({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, id="plain C"),
        pytest.param({"PYTHONIOENCODING": "latin-1"}, id="latin-1"),
        pytest.param({"PYTHONIOENCODING": "ascii"}, id="ascii"),
    ],
)
def test_a_terminal_that_is_not_utf_8(bench: cli_wbx.Workbench, extra: Mapping[str, str]) -> None:
    """It shows what it can; names, states and exit codes are the same."""
    environment = cli_wbx.environment({**bench.extra, **extra})

    done = subprocess.run(
        [*cli_wbx.WBX, "get"], cwd=bench.root, env=environment, capture_output=True, check=False
    )

    shown = done.stdout.decode("utf-8", "replace")
    assert (done.returncode, done.stderr) == (0, b"6 resources, 6 Ready\n")
    assert "RunnerJob/hello" in shown
    assert "Succeeded" in shown


def test_json_is_json_on_every_terminal(bench: cli_wbx.Workbench) -> None:
    """No letter is lost where stdout cannot hold it: it is escaped."""
    text = cli_tree.dataset("letters").replace("example.org/letters", "example.org/żółw-日本")
    cli_tree.write(bench.root, "letters", text)
    bench.ok("apply", "ssot/letters.yaml")

    wanted = bench.json("get", "Dataset/letters", "-o", "json")
    done = started(
        bench, "get", "Dataset/letters", "-o", "json", extra={"PYTHONIOENCODING": "latin-1"}
    )

    assert "żółw-日本" in wanted["spec"]["uri"]
    assert done.stdout.isascii()
    assert json.loads(done.stdout) == wanted
    cli_tree.remove(bench.root, "letters")
    bench.ok("apply")


@pytest.mark.parametrize("command", ["get", "get -o yaml", "runs", "logs RunnerJob/hello"])
def test_a_reader_that_leaves_early(bench: cli_wbx.Workbench, command: str) -> None:
    """`wbx get | head -1`: no traceback, no message; the exit code says that not all was written."""
    done = shell(bench, f"$wbx {command} | true; echo ${{PIPESTATUS[0]}}")

    assert done.stderr.replace("6 resources, 6 Ready\n", "") == ""
    assert done.stdout in {"0\n", "1\n"}


def test_stdout_that_takes_nothing(bench: cli_wbx.Workbench) -> None:
    """Full: one line that says so, exit 1. Closed: the work is done all the same."""
    full = shell(bench, "$wbx get > /dev/full")
    closed = shell(bench, "$wbx get >&-")

    assert full.returncode == 1
    assert full.stderr.startswith("wbx: error: output: No space left on device\n")
    assert "bug" not in full.stderr
    assert (closed.returncode, closed.stderr) == (0, "6 resources, 6 Ready\n")
    assert shell(bench, "$wbx get 2>&-").returncode == 0


def test_a_user_who_is_not_root(tmp_path_factory: pytest.TempPathFactory) -> None:
    """`up --once` needs no rights but those on its own folder, and `up --stop` leaves no process of that user."""
    setpriv = tools.need("setpriv", "install util-linux")
    if os.geteuid() != 0:
        pytest.skip("needs root: it becomes another user (as that user, every other test shows it)")
    python = tools.need("/usr/bin/python3.11", "install the system's own Python 3.11")
    folder = pathlib.Path(shutil.copytree(_tree(tmp_path_factory), _open_folder() / "repository"))
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder.parent),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    for path in (folder.parent, *folder.parent.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    become = [str(setpriv), f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", str(python)]

    def wbx(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*become, *cli_wbx.WBX[1:], *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    try:
        done = wbx("up", "--once")
        assert done.returncode == 0, done.stderr
        assert "6 resources, 6 Ready" in done.stderr
        assert {path.stat().st_uid for path in (folder / ".wbx").iterdir()} == {NOBODY}
    finally:
        stopped = wbx("up", "--stop")
        shutil.rmtree(folder.parent)
    assert stopped.returncode == 0, stopped.stderr


def _tree(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return cli_tree.make(tmp_path_factory.mktemp("user") / "tree")


def _open_folder() -> pathlib.Path:
    """A folder that any user can reach."""
    return pathlib.Path(tempfile.mkdtemp(prefix="wbx-"))
