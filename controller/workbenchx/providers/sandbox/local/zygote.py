"""The zygote: forks a supervisor for each start, so that a start costs a fork and not an interpreter.

One process for each folder of sandboxes, started on demand. It holds nothing that a run needs: runs live on when it
dies, and it ends by itself soon after the last `wbx` that used it. Standard library only.

A connection says one byte: `L` is a lease (the zygote lives while it is open), `R` a start: then the connection is the
supervisor's, which reads its order from it (four bytes of length, then JSON).
"""

import gc
import json
import os
import pathlib
import selectors
import signal
import socket
import struct
import sys
import time
from typing import NoReturn

from workbenchx.providers.sandbox.supervision import kernel, layout, supervisor

LOCK = ".zygote.lock"
SOCKET = ".zygote"
_IDLE = 2.0
_PATIENCE = 10.0


def main() -> None:
    """`sys.argv[1]` is the folder; our output is closed once we listen, or because another zygote does."""
    root = pathlib.Path(sys.argv[1])
    if os.fork() != 0:
        os._exit(0)
    os.setsid()
    os.chdir("/")
    kernel.rename_process("wbx-zygote")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    (root / LOCK).touch()
    if layout.hold(root / LOCK) is not None:
        _Zygote(root).run()


class _Zygote:
    def __init__(self, root: pathlib.Path) -> None:
        self._selector = selectors.DefaultSelector()
        self._leases: set[socket.socket] = set()
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        self._path = f"/proc/self/fd/{self._root}/{SOCKET}"
        (root / SOCKET).unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self._path)
        self._listener.listen(512)
        self._selector.register(self._listener, selectors.EVENT_READ, None)

    def run(self) -> None:
        """Until nobody needs us."""
        for descriptor in (1, 2):
            os.dup2(0, descriptor)
        # A collection would write to every object, and a fork would pay for each page with a copy.
        gc.disable()
        gc.freeze()
        last = time.monotonic()
        while self._leases or time.monotonic() - last < _IDLE:
            for key, _ in self._selector.select(_IDLE):
                last = time.monotonic()
                if key.data is None:
                    self._accept()
                else:
                    self._end_lease(key.data)
        pathlib.Path(self._path).unlink(missing_ok=True)

    def _accept(self) -> None:
        caller, _ = self._listener.accept()
        caller.settimeout(_PATIENCE)
        try:
            wanted = caller.recv(1)
        except OSError:
            wanted = b""
        if wanted == b"L":
            self._leases.add(caller)
            self._selector.register(caller, selectors.EVENT_READ, caller)
            caller.send(b"L")
            return
        if wanted == b"R" and os.fork() == 0:
            self._become_supervisor(caller)
        caller.close()

    def _end_lease(self, caller: socket.socket) -> None:
        self._selector.unregister(caller)
        self._leases.discard(caller)
        caller.close()

    def _become_supervisor(self, caller: socket.socket) -> NoReturn:
        code = 1
        try:
            os.setsid()
            gc.enable()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            kernel.close_all_but({0, 1, 2, caller.fileno()})
            supervisor.serve(caller, _order(caller))
            code = 0
        finally:
            os._exit(code)


def _order(caller: socket.socket) -> layout.Json:
    (length,) = struct.unpack("!I", _exactly(caller, 4))
    order: layout.Json = json.loads(_exactly(caller, length))
    return order


def _exactly(caller: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        chunk = caller.recv(length - len(data))
        if not chunk:
            raise EOFError("the caller went away")
        data += chunk
    return data
