"""Names of processes, so that a lease left by a process that died on this machine can be given back at once."""

import os
import pathlib
import socket


def identity(role: str) -> str:
    """A name that no other process, living or dead, has: role, host, boot, process id, start time."""
    return "/".join((role, socket.gethostname(), _boot(), str(os.getpid()), _started(os.getpid())))


def is_dead(name: str) -> bool:
    """Whether the process of that name is surely gone: same machine and boot, and no such process."""
    _, *rest = name.split("/")
    if len(rest) != 4 or rest[0] != socket.gethostname():
        return False
    _, boot, pid, started = rest
    if boot != _boot():
        return True
    return not pid.isdigit() or _started(int(pid)) != started


def _boot() -> str:
    """This boot's id; where the kernel does not say, one for all."""
    try:
        return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()[:8]
    except OSError:
        return "boot"


def _started(pid: int) -> str:
    """The process's start time in clock ticks since boot; "" if there is no such process or it is a zombie."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2]
    except OSError:
        return _alive_elsewhere(pid)
    state, *numbers = fields.split()
    return "" if state in "ZX" else numbers[18]


def _alive_elsewhere(pid: int) -> str:
    """Without /proc the best answer is whether a process of that number lives."""
    if pathlib.Path("/proc/self").exists():
        return ""
    try:
        os.kill(pid, 0)
    except OSError:
        return ""
    return "alive"
