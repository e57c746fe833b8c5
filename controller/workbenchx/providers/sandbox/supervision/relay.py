"""Ports of a sandbox that has its own network: reachable on the host's loopback, and nothing else of it.

The relay is a process that makes the network namespace, stays in it, and keeps listening sockets of the host's. What
it accepts there it connects to 127.0.0.1 inside. Standard library only.
"""

import contextlib
import fcntl
import os
import selectors
import signal
import socket
import struct

from workbenchx.providers.sandbox.supervision import kernel

_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1
_CHUNK = 1 << 16

Listeners = dict[int, socket.socket]


class Relay:
    """The relay process of one supervisor. `urls` maps the ports inside to addresses on the host."""

    def __init__(self, listeners: Listeners) -> None:
        ready, told = os.pipe()
        uid, gid = os.getuid(), os.getgid()
        self.pid = os.fork()
        if self.pid == 0:
            _live(listeners, told, uid, gid)
        os.close(told)
        alive = os.read(ready, 1) == b"1"
        os.close(ready)
        if not alive:
            raise OSError("the network namespace of the sandbox could not be made")
        self._spaces = [
            os.open(f"/proc/{self.pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
            for kind in ("user", "net")
        ]

    def enter(self) -> None:
        """Move this process (a fork about to exec) into the relay's network."""
        for space in self._spaces:
            kernel.enter(space)

    def end(self) -> None:
        """Stop relaying."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def listen(ports: list[int]) -> Listeners:
    """A listening socket on a free port of the host's loopback for each port inside."""
    return {port: socket.create_server(("127.0.0.1", 0)) for port in ports}


def _live(listeners: Listeners, told: int, uid: int, gid: int) -> None:
    try:
        kernel.die_with_parent(signal.SIGKILL)
        kernel.rename_process("wbx-relay")
        kept = {told, *(each.fileno() for each in listeners.values())}
        kernel.close_all_but(kept)
        kernel.unshare_network()
        _map(uid, gid)
        _raise_loopback()
        os.write(told, b"1")
        os.close(told)
        _Pump(listeners).run()
    finally:
        os._exit(1)


def _map(uid: int, gid: int) -> None:
    for file, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {uid} 1"),
        ("gid_map", f"{gid} {gid} 1"),
    ):
        descriptor = os.open(f"/proc/self/{file}", os.O_WRONLY)
        os.write(descriptor, text.encode())
        os.close(descriptor)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


class _Pump:
    """Bytes both ways, one pair of sockets a connection. A slow reader stops its writer."""

    def __init__(self, listeners: Listeners) -> None:
        self._selector = selectors.DefaultSelector()
        for port, listener in listeners.items():
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ, port)

    def run(self) -> None:
        """For ever: the parent's death ends it."""
        while True:
            for key, events in self._selector.select():
                if isinstance(key.data, int):
                    self._accept(key.fileobj, key.data)  # type: ignore[arg-type]
                elif key.fd != -1 and not key.data.closed:
                    key.data.move(key.fileobj, events)

    def _accept(self, listener: socket.socket, port: int) -> None:
        try:
            outer, _ = listener.accept()
        except OSError:
            return
        inner = socket.socket()
        try:
            inner.connect(("127.0.0.1", port))
        except OSError:
            outer.close()
            inner.close()
            return
        _Pair(self._selector, outer, inner)


class _Pair:
    """One relayed connection."""

    def __init__(
        self, selector: selectors.BaseSelector, left: socket.socket, right: socket.socket
    ) -> None:
        self._selector = selector
        self._other = {left: right, right: left}
        self._pending: dict[socket.socket, bytes] = {left: b"", right: b""}
        self._open = {left, right}
        self.closed = False
        for side in (left, right):
            side.setblocking(False)
            selector.register(side, selectors.EVENT_READ, self)

    def move(self, side: object, events: int) -> None:
        """React to one readiness of one side."""
        if not isinstance(side, socket.socket):
            return
        try:
            if events & selectors.EVENT_WRITE:
                self._send(side)
            if events & selectors.EVENT_READ:
                self._take(side)
            self._arm()
        except OSError:
            self._close()

    def _take(self, side: socket.socket) -> None:
        data = side.recv(_CHUNK)
        other = self._other[side]
        if data:
            self._pending[other] += data
            self._send(other)
        else:
            self._open.discard(side)
            with contextlib.suppress(OSError):
                other.shutdown(socket.SHUT_WR)

    def _send(self, side: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            sent = side.send(self._pending[side])
            self._pending[side] = self._pending[side][sent:]

    def _arm(self) -> None:
        if not self._open and not any(self._pending.values()):
            self._close()
            return
        for side, other in self._other.items():
            wanted = selectors.EVENT_WRITE if self._pending[side] else 0
            if side in self._open and not self._pending[other]:
                wanted |= selectors.EVENT_READ
            self._watch(side, wanted)

    def _watch(self, side: socket.socket, wanted: int) -> None:
        registered = side in self._selector.get_map()
        if wanted and registered:
            self._selector.modify(side, wanted, self)
        elif wanted:
            self._selector.register(side, wanted, self)
        elif registered:
            self._selector.unregister(side)

    def _close(self) -> None:
        self.closed = True
        for side in self._other:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(side)
            side.close()
