"""The command that the adapter leaves running: starts the program, once in the sandbox's life, and supervises it.

What it is told comes in an environment variable, which no file ever holds. Standard library only.
"""

import json
import os
import pathlib
import socket
import sys

from workbenchx.providers.sandbox.inside import places
from workbenchx.providers.sandbox.supervision import layout, supervisor

START_VARIABLE = "WBX_INSIDE_START"
_OURS = "WBX_INSIDE_"


def main() -> None:
    """Until the program has ended. A second one, at any time, ends at once."""
    message = json.loads(os.environ.pop(START_VARIABLE))
    ours, theirs = socket.socketpair()
    with ours:
        supervisor.serve(theirs, order(places.folder(), message))


def order(folder: layout.Folder, message: places.Json) -> layout.Json:
    """What the supervisor is to do: as it was staged, with the environment that came with the start."""
    made = layout.read(folder.spec) or {}
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(_OURS)
    } | {
        "HOME": str(folder.home.absolute()),
        "TMPDIR": str(folder.tmp.absolute()),
        "PYTHONUNBUFFERED": "1",
    }
    environment.setdefault("LANG", "C.UTF-8")
    # A port is asked from outside the machine: what serves on the loopback interface alone is never reached.
    environment.setdefault("HOST", "0.0.0.0")  # noqa: S104 - of the microVM, which only its routes reach
    environment.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
    given = message["env"]
    if isinstance(given, dict):
        environment |= given
    idle = [sys.executable, "-I", "-S", str(pathlib.Path("kit").absolute()), "idle"]
    return made | {
        "folder": str(folder.path),
        "argv": made["command"] if made["shape"] != "session" else idle,
        "cwd": str(folder.work.absolute()),
        "env": environment,
        "isolated": False,
        "private_ports": [],
        "shared_ports": {},
        "cores": [],
    }
