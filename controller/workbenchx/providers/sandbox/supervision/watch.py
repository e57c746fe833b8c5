"""What a program uses, and what its end means. Standard library only.

Memory, processes and disk of the whole tree are looked at a few times a second; the limits of the kernel (rlimits) are
only a backstop, since they hold for each process by itself.
"""

import contextlib
import math
import os
import signal
import time
from typing import NamedTuple

from workbenchx.providers.sandbox.supervision import layout, tree

_FIRST = 0.05
_USUAL = 0.25
_IDLE = 1.0
# Adding up the files may take this share of one core.
_DISK_SHARE = 0.02
_DISK_FIRST = 1.0
# A session counts as used while its programs take more than this share of a core, or its files change.
_WORK_SHARE = 0.002
_WORK_SECONDS = 10.0
_KILLED = 128 + signal.SIGKILL
# Between two looks a program may use up what is left and be killed by the kernel: so much of its limit was used then.
_NEARLY = 0.9
_TICKS = os.sysconf("SC_CLK_TCK")


class Verdict(NamedTuple):
    """How a program ended."""

    code: int | None
    reason: str
    message: str


class Use:
    """When a session was last used. A light hand on it counts: it is better kept too long than taken from somebody."""

    def __init__(self) -> None:
        self._used_at = time.time()
        self._look_at = time.monotonic() + _WORK_SECONDS
        self._ticks = 0

    @property
    def idle_since(self) -> float | None:
        """Since when nobody used it; None: it was used just now."""
        return self._used_at if time.time() - self._used_at > 2 * _WORK_SECONDS else None

    def working(self, pids: list[int]) -> None:
        """Look at its programs."""
        now = time.monotonic()
        if now < self._look_at:
            return
        passed = _WORK_SECONDS + now - self._look_at
        ticks, before = tree.worked(pids), self._ticks
        self._ticks, self._look_at = ticks, now + _WORK_SECONDS
        if abs(ticks - before) > passed * _WORK_SHARE * _TICKS:
            self._used_at = time.time()

    def changed(self, newest: float) -> None:
        """Its newest file is of that time."""
        self._used_at = max(self._used_at, min(newest, time.time()))


class Watch:
    """Looks at one tree. `peak` is the most memory seen, in bytes; `use` is kept for a session only."""

    def __init__(self, folder: layout.Folder, order: layout.Json) -> None:
        self._folder = folder
        self._order = order
        self._interval = _FIRST
        self._look_at = self._files_at = math.inf
        self.peak = 0
        self.use = Use() if order["shape"] == "session" else None

    def begin(self) -> None:
        """A program starts."""
        self._interval = _FIRST
        self._look_at = time.monotonic() + _FIRST
        self._files_at = time.monotonic() + _DISK_FIRST

    def interval(self) -> float:
        """Seconds until the next look."""
        return max(0.0, self._look_at - time.monotonic())

    def look(self, pids: list[int]) -> tuple[str, str]:
        """(reason, message) if these processes break a limit, else empty texts."""
        if time.monotonic() < self._look_at:
            return "", ""
        if self.use:
            self.use.working(tree.everybody() if self._order.get("alone") else pids)
        if len(pids) > self._order["processes"]:
            return "Signalled", f"more than {self._order['processes']} processes"
        return self._memory(pids) or self._disk() or ("", "")

    def _memory(self, pids: list[int]) -> tuple[str, str] | None:
        limit = self._order["memory"]
        used = tree.memory(pids, limit)
        self.peak = max(self.peak, used)
        usual = _USUAL if self._order["shape"] == "execution" else _IDLE
        self._interval = _FIRST if used > limit / 2 else min(usual, self._interval * 1.5)
        self._look_at = time.monotonic() + self._interval
        if used > limit:
            return "OutOfMemory", f"the program used {used} of {limit} bytes of memory"
        return None

    def explained(self, ended: Verdict, most: int) -> Verdict:
        """A kill that nobody ordered, of a program that had used up its memory, was the kernel's. `most`: what one process used."""
        used, limit = max(self.peak, most), self._order["memory"]
        if ended.code != _KILLED or ended.reason != "Signalled" or used < limit * _NEARLY:
            return ended
        told = f"it was killed when it used {used} of {limit} bytes of memory"
        return ended._replace(reason="OutOfMemory", message=told)

    def short(self) -> str:
        """What is to be said of a disk that is full; "" if it is not."""
        state = os.statvfs(self._folder.path)
        left = state.f_bavail * state.f_frsize
        if left < self._order["disk_reserve"]:
            return f"the disk of the sandbox has {left} bytes left"
        return ""

    def _disk(self) -> tuple[str, str] | None:
        if message := self.short():
            return "DiskFull", message
        if time.monotonic() < self._files_at:
            return None
        before = time.monotonic()
        found = [_used(each) for each in (self._folder.work, self._folder.home, self._folder.tmp)]
        used = sum(size for size, _ in found)
        if self.use:
            self.use.changed(max(newest for _, newest in found))
        took = time.monotonic() - before
        self._files_at = time.monotonic() + max(_DISK_FIRST, took / _DISK_SHARE)
        if used > self._order["disk"]:
            return "DiskFull", f"the program wrote {used} of {self._order['disk']} bytes of disk"
        return None


def verdict(order: layout.Json, report: bytes, code: int, log: bytes) -> Verdict:
    """What the end of a program that nobody ended means. `log` is the start of its output."""
    if order["isolated"]:
        # Without the word about the command's end, it was bubblewrap that ended: by itself, or killed.
        failed = code <= 128 and b'"exit-code"' not in report
        failed |= code == 1 and log.startswith(b"bwrap: execvp")
        why = log.strip().split(b"\n")[0].decode(errors="replace")
    else:
        failed, why = bool(report), report.decode(errors="replace")
    if failed:
        return Verdict(code, "StartFailed", f"command could not be started: {why[:300]}")
    return _signalled(code) or Verdict(code, "Exited", f"exit code {code}")


def _signalled(code: int) -> Verdict | None:
    with contextlib.suppress(ValueError):
        if code > 128:
            name = signal.Signals(code - 128).name
            reason = {"SIGXFSZ": "DiskFull", "SIGXCPU": "DeadlineExceeded"}.get(name, "Signalled")
            return Verdict(code, reason, f"ended by {name}")
    return None


def _used(path: os.PathLike[str] | str) -> tuple[int, float]:
    """Bytes of disk below a folder, and when the newest file in it was changed."""
    total, newest = 0, 0.0
    with contextlib.suppress(OSError), os.scandir(path) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                about = entry.stat(follow_symlinks=False)
                total, newest = total + about.st_blocks * 512, max(newest, about.st_mtime)
                if entry.is_dir(follow_symlinks=False):
                    below, latest = _used(entry.path)
                    total, newest = total + below, max(newest, latest)
    return total, newest
