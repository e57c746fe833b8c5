"""Talking to the supervisor: at the gate before the start, where there is one, over its control socket after. Standard library only."""

import contextlib
import json
import os
import socket
import time

from workbenchx.providers.sandbox.inside import places
from workbenchx.providers.sandbox.supervision import beside, layout, supervisor

_MOMENT = 0.01
_PATIENCE = 30.0


def start(message: bytes) -> str:
    """Hand the order to start in: `running`, or `started` where it was before; `absent` where nobody is there to do it."""
    folder, end = places.folder(), time.monotonic() + _PATIENCE
    while not folder.started.exists():
        word = _at_gate(message)
        if word == "running":
            return word
        if time.monotonic() > end:
            return "absent"
        time.sleep(_MOMENT)
    return "started"


def stop(reason: str) -> None:
    """End what runs, or what never ran; returns once nothing is left of it."""
    folder = places.folder()
    while not folder.status.exists():
        if not folder.started.exists():
            _cancel(folder, reason)
        elif (held := control(folder)) is not None:
            _say(held, {"op": "stop", "reason": reason})
            _until_closed(held)
        elif not layout.held(folder.lock):
            return  # killed: nobody is left to write how it ended
        else:
            time.sleep(_MOMENT)
    _at_gate(places.frame(b'{"op": "look"}'))


def execute(order: places.Json) -> layout.Json | None:
    """Have a command run beside the program, and wait for its end; None: there is no program any more, or not yet."""
    folder, key = places.folder(), str(order["key"])
    while True:
        runs = layout.held(folder.lock) and not folder.status.exists() and folder.started.exists()
        found = layout.read(beside.ended_at(folder, key))
        if found is not None and (found["reason"] or not runs):
            return found
        if not runs:
            return None
        if (held := control(folder)) is not None:
            with held, contextlib.suppress(OSError):
                _say(held, {**order, "op": "execute"})
                held.recv(1)
        time.sleep(_MOMENT)


def extend(deadline: float) -> None:
    """Move the deadline of what runs; of what does not run: nothing."""
    if (held := control(places.folder())) is not None:
        with held:
            _say(held, {"op": "extend", "deadline": deadline})
            held.recv(1)


def _cancel(folder: layout.Folder, reason: str) -> None:
    lock = layout.hold(folder.lock)
    if lock is None:
        time.sleep(_MOMENT)
        return
    try:
        if supervisor.claim(folder):
            document = {
                "state": "exited",
                "reason": reason,
                "message": "it was stopped before its start",
                "ended_at": time.time(),
            }
            layout.write(folder.status, document)
    finally:
        os.close(lock)


def _at_gate(message: bytes) -> str:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as gate:
        gate.settimeout(_PATIENCE)
        gate.connect(str(places.gate()))
        gate.sendall(message)
        return gate.recv(64).decode()
    return ""


def control(folder: layout.Folder) -> socket.socket | None:
    """A connection to the supervisor; None where none listens."""
    found = socket.socket(socket.AF_UNIX)
    try:
        found.connect(str(folder.control))
    except OSError:
        found.close()
        return None
    return found


def _say(held: socket.socket, order: places.Json) -> None:
    with contextlib.suppress(OSError):
        held.sendall(json.dumps(order).encode() + b"\n")


def _until_closed(held: socket.socket) -> None:
    with held, contextlib.suppress(OSError):
        while held.recv(4096):
            pass
