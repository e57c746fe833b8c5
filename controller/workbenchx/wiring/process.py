"""Names of processes, so that a lease left by a process that died on this machine can be given back at once."""

import os
import pathlib
import socket

from workbenchx import ports


def identity(role: str) -> str:
    """A name that no other process, living or dead, has: role, host, boot and its namespace of process ids, id, start."""
    where = f"{_boot()}.{_namespace()}"
    return "/".join((role, socket.gethostname(), where, str(os.getpid()), _started(os.getpid())))


def is_dead(name: str) -> bool:
    """Whether the process of that name is surely gone: same machine, boot and namespace, and no such process.

    Containers may share a host name and not see each other's processes: of those nothing is sure.
    """
    _, *rest = name.split("/")
    if len(rest) != 4 or rest[0] != socket.gethostname():
        return False
    _, where, pid, started = rest
    boot, _, numbers = where.partition(".")
    if boot != _boot():
        return True
    if numbers != _namespace():
        return False
    return not pid.isdigit() or _started(int(pid)) != started


def _boot() -> str:
    """This boot's id; where the kernel does not say, one for all."""
    try:
        return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()[:8]
    except OSError:
        return "boot"


def _namespace() -> str:
    """The number of our namespace of process ids; where the kernel does not say, one for all."""
    try:
        return "".join(filter(str.isdigit, str(pathlib.Path("/proc/self/ns/pid").readlink())))
    except OSError:
        return "0"


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


async def bury_the_dead(store: ports.Store) -> None:
    """Give back what processes of this machine held that were killed: nobody has to wait for a lease to run out."""
    for name in await store.holders():
        if is_dead(name):
            await store.release(name)
            await store.release_leadership(name)
