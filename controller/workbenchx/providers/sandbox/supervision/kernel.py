"""The few system calls that Python 3.11 does not offer. Standard library only."""

import contextlib
import ctypes
import os

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """Orphans below this process become its children."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def die_with_parent(number: int) -> None:
    """The kernel sends `number` to this process when its parent dies."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0))


def rename_process(name: str) -> None:
    """What `ps` shows for this process (15 characters)."""
    _check(_libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0))


def unshare_network() -> None:
    """Enter a new user namespace and, owned by it, a new network namespace."""
    _check(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET))


def enter(namespace: int) -> None:
    """Enter the namespace of a descriptor."""
    _check(_libc.setns(namespace, 0))


def close_all_but(kept: set[int]) -> None:
    """Close what this process inherited and does not need."""
    with os.scandir("/proc/self/fd") as entries:
        found = {int(entry.name) for entry in entries}
    for descriptor in found - kept:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
