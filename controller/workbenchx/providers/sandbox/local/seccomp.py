"""A seccomp filter: the system calls that no experiment needs and that kernels were broken with.

Written out as classic BPF, since the filter is a flat list of numbers.
"""

import errno
import struct

_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE = 0, 4
_OTHER_ABI = 0x40000000

# In both tables: ptrace process_vm_{readv,writev} kcmp, mount umount2 pivot_root chroot setns open_by_handle_at,
# {add,request}_key keyctl, bpf perf_event_open userfaultfd, kexec_{load,file_load} {init,finit,delete}_module,
# reboot swapon swapoff acct quotactl syslog, then those numbered alike: io_uring_{setup,enter,register}, open_tree
# move_mount fsopen fsconfig fsmount fspick, mount_setattr.
_ALIKE = (425, 426, 427, 428, 429, 430, 431, 432, 433, 442)
_X86 = (101, 310, 311, 312, 165, 166, 155, 161, 308, 304, 248, 249, 250, 321, 298, 323, 246, 320)
_X86_MORE = (175, 313, 176, 169, 167, 168, 163, 179, 103)
_ARM = (117, 270, 271, 272, 40, 39, 41, 51, 268, 265, 217, 218, 219, 280, 241, 282, 104, 294)
_ARM_MORE = (105, 273, 106, 142, 224, 225, 89, 60, 116)
_MACHINES = {
    "x86_64": (0xC000003E, (*_X86, *_X86_MORE, *_ALIKE)),
    "aarch64": (0xC00000B7, (*_ARM, *_ARM_MORE, *_ALIKE)),
}


def program(machine: str) -> bytes:
    """The filter for a machine as `uname -m` names it; empty for one that we have no table for."""
    if machine not in _MACHINES:
        return b""
    architecture, refused = _MACHINES[machine]
    steps = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, architecture, yes=1),
        _step(_RETURN, _REFUSE | errno.ENOSYS),
        _step(_LOAD, _NUMBER),
        _step(_AT_LEAST, _OTHER_ABI, no=1),
        _step(_RETURN, _REFUSE | errno.ENOSYS),
    ]
    for number in refused:
        steps += [_step(_EQUAL, number, no=1), _step(_RETURN, _REFUSE | errno.EPERM)]
    return b"".join([*steps, _step(_RETURN, _ALLOW)])


def _step(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)
