"""Starts programs for a test session and ends all of them with it, however it ends.

As a program it reads orders from its stdin, one JSON object a line, and answers each with one. When its stdin closes
(the session ended, or was killed) it kills everything below it, removes its folder and exits. `Keeper` is the other side.
"""

import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
_PATIENCE = 10.0


class Keeper:
    """A process that keeps others. `apart`: their mounts and their network are their own, and vanish with them (needs root)."""

    def __init__(self, folder: pathlib.Path, *, apart: bool = False) -> None:
        around = ["unshare", "--mount", "--net", "--propagation=private"] if apart else []
        self.folder = folder
        self._process = subprocess.Popen(
            [*around, sys.executable, __file__, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def start(self, name: str, command: Sequence[str | pathlib.Path]) -> int:
        """Start a program; its output goes to `<folder>/<name>.log`. Its process id."""
        answer = self._order(order="start", name=name, command=[str(part) for part in command])
        return int(answer["pid"])

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """End a program and wait until it has ended; what ignores the signal is killed."""
        self._order(order="stop", name=name, signal=int(how))

    def run(self, script: str) -> str:
        """Run a shell script to its end, where the programs run; what it printed. Raises RuntimeError where it fails."""
        return str(self._order(order="run", name="run", script=script)["output"])

    def at_the_end(self, script: str) -> None:
        """A shell script that is run after everything has ended."""
        self._order(order="at_the_end", name="at_the_end", script=script)

    @property
    def pid(self) -> int:
        """The process id of the keeper."""
        return self._process.pid

    def ended(self, name: str) -> int | None:
        """The exit code of a program; None while it runs."""
        code = self._order(order="ended", name=name)["code"]
        return None if code is None else int(code)

    def log(self, name: str, lines: int = 20) -> str:
        """The end of what a program printed."""
        with contextlib.suppress(OSError):
            text = (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")
            return "\n".join(text.splitlines()[-lines:])
        return ""

    def close(self) -> None:
        """End everything, and wait for it."""
        with contextlib.suppress(OSError):
            self._pipes()[0].close()
        self._process.wait()
        self._pipes()[1].close()

    def _order(self, **order: Any) -> dict[str, Any]:
        stdin, stdout = self._pipes()
        stdin.write(json.dumps(order) + "\n")
        stdin.flush()
        answer: dict[str, Any] = json.loads(stdout.readline() or '{"error": "the keeper is gone"}')
        if "error" in answer:
            raise RuntimeError(f"{order}: {answer['error']}")
        return answer

    def _pipes(self) -> tuple[Any, Any]:
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("a keeper is talked to through its pipes")
        return self._process.stdin, self._process.stdout


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _start(folder: pathlib.Path, name: str, command: list[str]) -> "subprocess.Popen[bytes]":
    with (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            preexec_fn=lambda: _prctl(_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509  # one thread
        )


def _stop(process: "subprocess.Popen[bytes]", how: int) -> None:
    process.send_signal(how)
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _below(ancestor: int) -> list[int]:
    """The processes below one, those that were orphaned included: a subreaper adopts them."""
    parents: dict[int, int] = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                after = (entry / "stat").read_text(encoding="latin-1").rpartition(")")[2].split()
                parents[int(entry.name)] = int(after[1])
    found = [pid for pid, parent in parents.items() if parent == ancestor]
    return found + [below for pid in found for below in _below(pid)]


def _end_all() -> None:
    """Kill: what they hold is of no use to anybody, and a test process that ends has little time."""
    while left := _below(os.getpid()):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, 0)


_LAST: list[str] = []


def _unmount(folder: pathlib.Path) -> None:
    """What programs mounted below the folder; nothing, unless they were root."""
    table = pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8")
    mounted = (line.split()[1] for line in table.splitlines())
    for place in sorted(mounted, reverse=True):
        if place.startswith(f"{folder}/"):
            subprocess.run(["umount", "-l", place], check=False, capture_output=True)


def _run(script: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["sh", "-euc", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _answer(
    folder: pathlib.Path, processes: "dict[str, subprocess.Popen[bytes]]", order: dict[str, Any]
) -> dict[str, Any]:
    name = order["name"]
    match order["order"]:
        case "start":
            processes[name] = _start(folder, name, order["command"])
            return {"pid": processes[name].pid}
        case "stop":
            _stop(processes[name], order["signal"])
            return {}
        case "run":
            done = _run(order["script"])
            failed = {"error": done.stdout} if done.returncode else {}
            return {"output": done.stdout} | failed
        case "at_the_end":
            _LAST.append(order["script"])
            return {}
        case _:
            return {"code": processes[name].poll()}


def main(folder: pathlib.Path) -> None:
    """Obey until stdin closes, then end everything."""
    for outlived in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(outlived, lambda *_: None)  # not SIG_IGN, which the programs would inherit
    _prctl(_SET_CHILD_SUBREAPER, 1)
    processes: dict[str, subprocess.Popen[bytes]] = {}
    for line in sys.stdin:
        try:
            answer = _answer(folder, processes, json.loads(line))
        except (OSError, KeyError) as error:
            answer = {"error": repr(error)}
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
    _end_all()
    for script in _LAST:
        _run(script)
    _unmount(folder)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
