"""The order of one start: everything that a supervisor needs to know, as JSON."""

import dataclasses
import hashlib
import math
import os
import pathlib
import resource
import socket
import sys
import time
from collections.abc import Mapping

from workbenchx.providers.sandbox.local import isolation, records
from workbenchx.providers.sandbox.supervision import layout

_PATH = "/usr/local/bin:/usr/bin:/bin"
_MEGABYTE = 1 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """What holds for every sandbox here. Seconds, bytes, counts.

    `grace`: from TERM to KILL. `disk`: what one sandbox may write. `disk_reserve`: what must stay free.
    """

    grace: float = 5.0
    disk: int = 10 * 1024 * _MEGABYTE
    disk_reserve: int = 64 * _MEGABYTE
    processes: int = 512


def build(
    folder: layout.Folder,
    record: layout.Json,
    env: Mapping[str, str],
    walls: isolation.Isolation,
    limits: Limits,
) -> layout.Json:
    """The order. `env` goes over what every program gets, except for its ports and its mark."""
    spec = record["spec"]
    isolated = bool(walls.bubblewrap)
    private = isolated and not spec["egress"]
    shared = {} if private else _free_ports(spec["ports"])
    environment = _environment(folder, record, isolated=isolated) | dict(env) | _ports(spec, shared)
    environment["WBX_SANDBOX"] = records.made(record).mark
    order = {
        "folder": str(folder.path),
        "shape": spec["shape"],
        "isolated": isolated,
        "argv": spec["command"] if spec["shape"] != "session" else ["sleep", "infinity"],
        "deadline": spec["deadline"],
        "memory": spec["memory"],
        "outputs": spec["outputs"],
        "log_limit": spec["log_limit"],
        "restart": spec["restart"],
        "private_ports": spec["ports"] if private else [],
        "shared_ports": shared,
        "cores": _cores(spec),
        "limits": _rlimits(spec, limits),
        **dataclasses.asdict(limits),
    }
    return order | _place(folder, record, environment, walls)


def _place(
    folder: layout.Folder,
    record: layout.Json,
    environment: dict[str, str],
    walls: isolation.Isolation,
) -> layout.Json:
    if not walls.bubblewrap:
        return {"cwd": str(folder.work), "env": environment}
    spec = record["spec"]
    view = isolation.View(
        folder=folder,
        generated=folder.path.parent / ".etc",
        python=records.made(record).folder,
        read_only=records.made(record).shown,
        network=bool(spec["egress"] or spec["ports"]),
        host_names=bool(spec["egress"]),
        memory=spec["memory"],
    )
    return {
        "bubblewrap": walls.bubblewrap,
        "options": isolation.options(view, environment),
        "seccomp": isolation.filter_program(),
    }


def _environment(folder: layout.Folder, record: layout.Json, *, isolated: bool) -> dict[str, str]:
    python = isolation.PYTHON if isolated else records.made(record).folder
    return {
        "PATH": f"{python}/bin:{_PATH}",
        "HOME": isolation.HOME if isolated else str(folder.home),
        "TMPDIR": isolation.TMP if isolated else str(folder.tmp),
        "LANG": "C.UTF-8",
        "USER": "wbx",
        "LOGNAME": "wbx",
        "PYTHONUNBUFFERED": "1",
    }


def _ports(spec: layout.Json, shared: Mapping[str, int]) -> dict[str, str]:
    """PORT is the first one; with a shared network a port is a free one of the host instead."""
    found = {str(port): str(shared.get(str(port), port)) for port in spec["ports"]}
    names = {f"WBX_PORT_{port}": number for port, number in found.items()}
    return names | ({"PORT": next(iter(found.values()))} if found else {})


def _free_ports(ports: list[int]) -> dict[str, int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in ports]
    try:
        return {
            str(port): each.getsockname()[1] for port, each in zip(ports, listeners, strict=True)
        }
    finally:
        for each in listeners:
            each.close()


def _cores(spec: layout.Json) -> list[int]:
    """As many cores as asked for, different ones for different sandboxes; none named: all."""
    available = sorted(os.sched_getaffinity(0))
    wanted = max(1, math.ceil(spec["cpu"]))
    if wanted >= len(available):
        return []
    first = hashlib.sha256(spec["name"].encode()).digest()[0]
    return [available[(first + each) % len(available)] for each in range(wanted)]


def _rlimits(spec: layout.Json, limits: Limits) -> dict[str, int]:
    """The backstop by the kernel, for each process by itself."""
    found = {
        "RLIMIT_CORE": 0,
        # The supervisor lives under the same limits, and writes the log.
        "RLIMIT_FSIZE": max(limits.disk, spec["log_limit"] + _MEGABYTE),
        "RLIMIT_DATA": 2 * spec["memory"] + 256 * _MEGABYTE,
        "RLIMIT_NOFILE": min(65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
    }
    if spec["deadline"] is not None and spec["shape"] == "execution":
        left = max(1.0, spec["deadline"] - time.time()) + limits.grace
        found["RLIMIT_CPU"] = min(sys.maxsize, math.ceil(left * max(1, math.ceil(spec["cpu"]))))
    return found


def venvs(root: pathlib.Path) -> pathlib.Path:
    """Where the interpreters' folders lie."""
    return root.parent / "venvs"
