"""Whatever a test session starts ends with it."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import keeper

SESSION = """
import json, pathlib, sys, time
import keeper
kept = keeper.Keeper(pathlib.Path(sys.argv[1]))
kept.start("plain", ["sleep", "1000"])
kept.start("stubborn", [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(1000)"])
kept.start("forks", ["sh", "-c", "setsid sleep 1000 & echo $! > orphan"])
while kept.ended("forks") is None or not (kept.folder / "orphan").stat().st_size:
    time.sleep(0.01)
print(json.dumps({"orphan": int((kept.folder / "orphan").read_text())}), flush=True)
time.sleep(1000)
"""


def _until(what: str, look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not look():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def _running(pid: int) -> bool:
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="latin-1")
    except FileNotFoundError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def test_everything_ends_when_the_session_is_killed(tmp_path: pathlib.Path) -> None:
    """After kill -9 of the session: no program, no orphan of a program, no file is left."""
    folder = tmp_path / "kept"
    folder.mkdir()
    session = subprocess.Popen(
        [sys.executable, "-c", SESSION, str(folder)],
        env=dict(os.environ) | {"PYTHONPATH": str(pathlib.Path(keeper.__file__).parent)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert session.stdout is not None
    orphan = json.loads(session.stdout.readline())["orphan"]
    assert _running(orphan)

    session.send_signal(signal.SIGKILL)
    session.wait()
    session.stdout.close()

    _until("the orphan has ended", lambda: not _running(orphan))
    _until("the folder is gone", lambda: not folder.exists())


def test_a_program_is_stopped_and_tells_how_it_ended(tmp_path: pathlib.Path) -> None:
    """An exit code, a signal, and what was printed; a name that was never started is told as such."""
    folder = tmp_path / "kept"
    folder.mkdir()
    kept = keeper.Keeper(folder)
    try:
        kept.start("short", ["sh", "-c", "echo told; exit 3"])
        _until("it ended", lambda: kept.ended("short") is not None)
        assert (kept.ended("short"), kept.log("short")) == (3, "told")

        kept.start("long", ["sleep", "1000"])
        assert kept.ended("long") is None
        kept.stop("long", signal.SIGKILL)
        assert kept.ended("long") == -signal.SIGKILL
    finally:
        kept.close()
    assert not folder.exists()
