"""The first process in the program's container: waits at the gate for the order to start, once, and supervises.

It ends with the program's exit code, and tells the kubelet how it went in the termination message: that is what the
adapter reads from the pod's status, long after this process is gone. Standard library only.
"""

import contextlib
import json
import os
import pathlib
import signal
import socket
import sys
from typing import NoReturn

from workbenchx.providers.sandbox.inside import places
from workbenchx.providers.sandbox.kubernetes.inside import kits
from workbenchx.providers.sandbox.supervision import layout, supervisor

_LONGEST_MESSAGE = 1000
_OURS = ("KUBERNETES_", "WBX_INSIDE_")


def main() -> None:
    """Until the program has ended, or never will start."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    folder = places.folder()
    listener = _listen()
    while not folder.status.exists():
        caller, _ = listener.accept()
        with contextlib.suppress(EOFError, OSError, ValueError):
            with caller.makefile("rb") as stream:
                message = places.read_json(stream)
            if message["op"] == "start":
                listener.close()
                places.gate().unlink()
                supervisor.serve(caller, order(folder, message))
        caller.close()
    _end(layout.read(folder.status) or {})


def order(folder: layout.Folder, message: places.Json) -> layout.Json:
    """What the supervisor is to do: as the adapter staged it, with the environment that came with the start."""
    made = layout.read(folder.spec) or {}
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(_OURS)
    } | {
        "HOME": str(folder.home),
        "TMPDIR": str(folder.tmp),
        "PYTHONUNBUFFERED": "1",
    }
    environment.setdefault("LANG", "C.UTF-8")
    # A pod is asked at its own address: what serves on the loopback interface alone is never reached.
    environment.setdefault("HOST", "0.0.0.0")  # noqa: S104 - of the pod, which its NetworkPolicy guards
    environment.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
    given = message["env"]
    if isinstance(given, dict):
        environment |= given
    argv = made["command"] if made["shape"] != "session" else kits.command("idle")
    return made | {
        "folder": str(folder.path),
        "argv": argv,
        "cwd": str(folder.work),
        "env": environment,
        "deadline": message.get("deadline"),
        "isolated": False,
        "private_ports": [],
        "shared_ports": {},
        # Who opens a shell in the container is no child of ours, and uses the session.
        "alone": True,
        "cores": [],
    }


def _listen() -> socket.socket:
    gate = places.gate()
    gate.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(gate))
    listener.listen(16)
    return listener


def _end(status: layout.Json) -> NoReturn:
    message = str(status.get("message", ""))
    document = {**status, "message": message[:_LONGEST_MESSAGE]}
    with contextlib.suppress(OSError):
        pathlib.Path(kits.TERMINATION_LOG).write_text(json.dumps(document))
    code = status.get("exit_code")
    if code is None:
        code = 0 if status.get("reason") == "Cancelled" else 1
    sys.exit(int(code))


if __name__ == "__main__":
    main()
