"""The log of a run: all output, or its head and its tail. Standard library only."""

import contextlib
import os
import pathlib

_TAIL = 1 << 20


class Output:
    """An append-only file of at most `limit` bytes (plus one line that says what was left out).

    The program never blocks on it: what does not fit is taken and dropped, and the last part is kept for the end.
    `echo`: a copy of everything goes to our own output, for who reads the log of a container.
    """

    def __init__(self, path: pathlib.Path, limit: int, *, echo: bool = False) -> None:
        self._echo = echo
        self._descriptor = os.open(
            path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        self._keep = min(_TAIL, limit // 4)
        self._head = limit - self._keep
        self._tail = bytearray()
        self._dropped = 0
        self.size = os.fstat(self._descriptor).st_size
        self.taken = 0
        self.full = False

    def write(self, data: bytes) -> None:
        """Take output."""
        self.taken += len(data)
        if self._echo:
            with contextlib.suppress(OSError):
                os.write(1, data)
        room = max(0, self._head - self.size)
        if room:
            self._append(data[:room])
        if len(data) > room:
            self._overflow(data[room:])

    def finish(self) -> None:
        """Write what was kept for the end."""
        if self._dropped:
            self._append(f"\n[wbx: {self._dropped} bytes of output left out here]\n".encode())
        self._append(bytes(self._tail))
        self._tail.clear()
        self._dropped = 0

    def _overflow(self, data: bytes) -> None:
        self._tail += data
        excess = len(self._tail) - self._keep
        if excess > 0:
            del self._tail[:excess]
            self._dropped += excess

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                written = os.write(self._descriptor, view)
                self.size += written
                view = view[written:]
        except OSError:
            # A full disk must not stop the program's output from being taken.
            self.full = True
