"""Process trees: who descends from us, what they use, and ending them. Standard library only."""

import contextlib
import os
import pathlib
import signal

_PAGE = os.sysconf("SC_PAGE_SIZE")
_PROC = pathlib.Path("/proc")


def descendants(root: int) -> list[int]:
    """Every living process below `root`, parents before children."""
    found: list[int] = []
    queue = [root]
    while queue:
        below = _children(queue.pop())
        found += below
        queue += below
    return found


def everybody() -> list[int]:
    """Every other process that this one sees."""
    return [
        int(each.name)
        for each in os.scandir(_PROC)
        if each.name.isdigit() and int(each.name) != os.getpid()
    ]


def memory(pids: list[int], limit: int) -> int:
    """Bytes that the processes hold. Shared pages are counted once, but only where that could matter."""
    total = sum(map(_resident, pids))
    return total if total <= limit else sum(map(_proportional, pids))


def worked(pids: list[int]) -> int:
    """The processor time that the processes and their dead children took, in the kernel's ticks."""
    return sum(map(_ticks, pids))


def send(pids: list[int], number: int) -> None:
    """Send a signal to each that still lives."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def end(root: int, spared: frozenset[int] = frozenset()) -> None:
    """Kill and reap everything below `root`: this process, a subreaper. Returns when nothing is left."""
    while True:
        send(_frozen(root, spared), signal.SIGKILL)
        own = [pid for pid in _children(root) if pid not in spared]
        if not own:
            return
        for pid in own:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def marked(mark: bytes) -> list[int]:
    """Processes of any parent that carry `mark` as an entry of their environment."""
    found = []
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def _frozen(root: int, spared: frozenset[int]) -> list[int]:
    """All below `root`, stopped: a program that forks faster than we read cannot run away from the list."""
    known: dict[int, None] = {}
    while fresh := [pid for pid in descendants(root) if pid not in known and pid not in spared]:
        send(fresh, signal.SIGSTOP)
        known.update(dict.fromkeys(fresh))
    return list(known)


def _children(pid: int) -> list[int]:
    below: list[int] = []
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/task") as tasks:
        for task in tasks:
            below += map(int, _read(f"{task.path}/children").split())
    return below


def _resident(pid: int) -> int:
    try:
        return int(_read(f"/proc/{pid}/statm").split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _ticks(pid: int) -> int:
    try:
        words = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        return sum(map(int, words[11:15]))
    except (OSError, ValueError):
        return 0


def _proportional(pid: int) -> int:
    try:
        lines = _read(f"/proc/{pid}/smaps_rollup").split(b"\n")
    except OSError:
        return _resident(pid)
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:"))


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 1 << 16)
    finally:
        os.close(descriptor)
