"""A sandbox's spec: what no adapter takes of it, when two are the same, and what a supervisor elsewhere is told."""

import hashlib
import json
import re
from typing import Any

from workbenchx import errors, ports

Json = dict[str, Any]

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_SPELLED = 'at most 63 lower-case letters, digits, "-"'
"""The names that a vendor takes which wants a DNS label."""
RESERVE = 64 << 20
"""Bytes of disk that a program leaves free, or is ended."""
_PROCESSES = 4096
_MEGABYTE = 1 << 20
_SHAPES = ("execution", "service", "session")


def check(spec: ports.SandboxSpec, name: re.Pattern[str], spelled: str) -> None:
    """Refuse what could never run. `name`: what the adapter can call a sandbox, `spelled` in words.

    Raises:
        errors.Stalled: reason InvalidSpec.
    """
    problem = ""
    if not name.fullmatch(spec.name):
        problem = f'name "{spec.name}" ({spelled})'
    elif spec.shape not in _SHAPES:
        problem = f'shape "{spec.shape}" (one of {", ".join(_SHAPES)})'
    elif spec.shape != "session" and not spec.command:
        problem = f"no command in a sandbox of shape {spec.shape}"
    elif any("\0" in word for word in spec.command):
        problem = "a NUL character in the command"
    if problem:
        raise errors.Stalled(f"sandbox cannot be made: {problem}", reason="InvalidSpec")


def digest(spec: ports.SandboxSpec) -> str:
    """What makes two orders the same one: everything but the deadline."""
    return hashlib.sha256(json.dumps(_document(spec), sort_keys=True).encode()).hexdigest()


def _document(spec: ports.SandboxSpec) -> Json:
    return {
        "tags": dict(spec.tags),
        "shape": spec.shape,
        "image": spec.image,
        "python": spec.python,
        "packages": list(spec.packages),
        "command": list(spec.command),
        "files": files(spec),
        "outputs": list(spec.outputs),
        "cpu": spec.cpu,
        "memory": spec.memory,
        "gpu": spec.gpu,
        "egress": list(spec.egress),
        "ports": list(spec.ports),
        "restart": spec.restart,
        "log_limit": spec.log_limit,
    }


def files(spec: ports.SandboxSpec) -> list[Json]:
    """The staged files, in order."""
    return [
        {
            "path": file.path,
            "sha256": file.sha256,
            "unpack": file.unpack,
            "member": file.member,
            "expect": file.expect,
        }
        for file in spec.files
    ]


def order(spec: ports.SandboxSpec, *, grace: float, disk: int, echo: bool = False) -> Json:
    """What a supervisor elsewhere is told; the environment comes with the start. `echo`: see supervision/output."""
    return {
        "name": spec.name,
        "shape": spec.shape,
        "command": list(spec.command),
        "memory": spec.memory,
        "outputs": list(spec.outputs),
        "log_limit": spec.log_limit,
        "echo": echo,
        "restart": spec.restart,
        "grace": grace,
        "disk": disk,
        "disk_reserve": RESERVE,
        "processes": _PROCESSES,
        "limits": {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": max(disk, spec.log_limit + _MEGABYTE)},
    }
