"""Talking to the first process of the pod: at the gate before its start, over its control socket after. Standard library only."""

import contextlib
import json
import os
import socket
import time

from workbenchx.providers.sandbox.kubernetes.inside import places
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
        elif (control := _control(folder)) is not None:
            _say(control, {"op": "stop", "reason": reason})
            _until_closed(control)
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
        if (control := _control(folder)) is not None:
            with control, contextlib.suppress(OSError):
                _say(control, {**order, "op": "execute"})
                control.recv(1)
        time.sleep(_MOMENT)


def extend(deadline: float) -> None:
    """Move the deadline of what runs; of what does not run: nothing."""
    if (control := _control(places.folder())) is not None:
        with control:
            _say(control, {"op": "extend", "deadline": deadline})
            control.recv(1)


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


def _control(folder: layout.Folder) -> socket.socket | None:
    control = socket.socket(socket.AF_UNIX)
    try:
        control.connect(str(folder.control))
    except OSError:
        control.close()
        return None
    return control


def _say(control: socket.socket, order: places.Json) -> None:
    with contextlib.suppress(OSError):
        control.sendall(json.dumps(order).encode() + b"\n")


def _until_closed(control: socket.socket) -> None:
    with control, contextlib.suppress(OSError):
        while control.recv(4096):
            pass
