"""The control socket of a sandbox: who waits for it, and who orders it about. Standard library only.

A line of JSON is an order: `{"op": "stop", "reason": …}`, `{"op": "extend", "deadline": …}`, `{"op": "follow"}` or
`{"op": "execute", "key": …, "argv": […], "timeout": …}`, which is answered by a line once the end of that command lies in
the folder. A follower gets a byte when the log grew. Everybody gets the end of the stream when the sandbox has ended.
"""

import contextlib
import json
import os
import selectors
import socket
from collections.abc import Callable
from typing import Protocol

from workbenchx.providers.sandbox.supervision import layout


class Ordered(Protocol):
    """Who carries out what is ordered."""

    def stop(self, reason: str) -> None:
        """End the program."""

    def extend(self, deadline: float) -> None:
        """Move the deadline."""

    def execute(self, order: layout.Json, told: Callable[[], None]) -> None:
        """Run a command beside the program, and call `told` once it has ended."""


class Control:
    """The supervisor's end."""

    def __init__(
        self, folder: layout.Folder, selector: selectors.BaseSelector, ordered: Ordered
    ) -> None:
        self._path = folder.control
        self._selector = selector
        self._ordered = ordered
        self._clients: dict[socket.socket, bytes] = {}
        self._followers: set[socket.socket] = set()
        self._listener = _listen(folder)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def grew(self) -> None:
        """Tell the followers. One who has not read the last byte yet needs no other."""
        for client in self._followers:
            with contextlib.suppress(OSError):
                client.send(b"\n")

    def close(self) -> bool:
        """Tell everybody that it is over; whether anybody was there."""
        with contextlib.suppress(OSError):
            self._path.unlink()
        self._listener.close()
        for client in self._clients:
            client.close()
        return bool(self._clients)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            client.setblocking(False)
            self._clients[client] = b""
            self._selector.register(client, selectors.EVENT_READ, lambda: self._hear(client))

    def _hear(self, client: socket.socket) -> None:
        try:
            data = client.recv(1 << 12)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._forget(client)
            return
        *lines, self._clients[client] = (self._clients[client] + data).split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError, KeyError):
                self._obey(client, json.loads(line))

    def _obey(self, client: socket.socket, order: layout.Json) -> None:
        if order["op"] == "stop":
            self._ordered.stop(str(order["reason"]))
        elif order["op"] == "extend":
            self._ordered.extend(float(order["deadline"]))
            _nod(client)
        elif order["op"] == "execute":
            self._ordered.execute(order, lambda: _nod(client))
        else:
            self._followers.add(client)
            self.grew()

    def _forget(self, client: socket.socket) -> None:
        self._selector.unregister(client)
        self._followers.discard(client)
        del self._clients[client]
        client.close()


def _nod(client: socket.socket) -> None:
    """Done. Who went away meanwhile is not told."""
    with contextlib.suppress(OSError):
        client.send(b"\n")


def _listen(folder: layout.Folder) -> socket.socket:
    """A socket's address holds 107 bytes, a path more: it is reached through its folder's descriptor."""
    descriptor = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        listener = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(FileNotFoundError):
            folder.control.unlink()
        listener.bind(f"/proc/self/fd/{descriptor}/{folder.control.name}")
        listener.listen(64)
        listener.setblocking(False)
        return listener
    finally:
        os.close(descriptor)
