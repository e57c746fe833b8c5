"""The caller's ends: of the zygote's socket, and of the control sockets of supervisors."""

import asyncio
import contextlib
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import NamedTuple

import workbenchx
from workbenchx import errors
from workbenchx.providers.sandbox.local import zygote
from workbenchx.providers.sandbox.supervision import layout

_PATIENCE = 15.0
_TRIES = 4
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv.pop(1));"
    "from workbenchx.providers.sandbox.local import zygote; zygote.main()"
)


class Stream(NamedTuple):
    """A connection to a supervisor."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, **order: object) -> None:
        """Send one order."""
        self.writer.write(json.dumps(order).encode() + b"\n")
        await self.writer.drain()


class Link:
    """This process's lease on the zygote of a folder."""

    def __init__(self, root: pathlib.Path) -> None:
        self._root = root
        self._lease = -1
        self._give_back: Callable[[], object] = _nothing
        self._obtaining = asyncio.Lock()

    async def start(self, order: layout.Json) -> str:
        """Have a supervisor carry out the order: `running`, `started` or `held`."""
        for _ in range(_TRIES):
            await self._ensure()
            with contextlib.suppress(OSError):
                if word := await self._ask(order):
                    return word
        raise errors.Waiting(
            f'sandbox cannot be started: no answer from "{self._root / zygote.SOCKET}"',
            reason="SandboxUnavailable",
        )

    def close(self) -> None:
        """Give the lease back; the zygote ends when nobody else has one."""
        self._give_back()
        self._lease = -1

    async def _ask(self, order: layout.Json) -> str:
        loop = asyncio.get_running_loop()
        body = json.dumps(order).encode()
        with socket.socket(socket.AF_UNIX) as caller:
            caller.setblocking(False)
            with reached(self._root, zygote.SOCKET) as address:
                await loop.sock_connect(caller, address)
            async with asyncio.timeout(_PATIENCE):
                await loop.sock_sendall(caller, b"R" + struct.pack("!I", len(body)) + body)
                return (await loop.sock_recv(caller, 64)).decode()

    async def _ensure(self) -> None:
        async with self._obtaining:
            if self._lease == -1 or not _alive(self._lease):
                self.close()
                await asyncio.to_thread(self._obtain)

    def _obtain(self) -> None:
        # The thread itself keeps what it obtained: who waits for it may have been cancelled.
        lease = _obtain(self._root).detach()
        self.close()
        self._lease = lease
        self._give_back = weakref.finalize(self, os.close, lease)


def _nothing() -> None:
    """There is no lease to give back."""


def _alive(lease: int) -> bool:
    try:
        return bool(os.read(lease, 1))
    except BlockingIOError:
        return True
    except OSError:
        return False


def _obtain(root: pathlib.Path) -> socket.socket:
    for _ in range(_TRIES):
        if lease := _lease(root):
            return lease
        _spawn(root)
    raise errors.Waiting(
        f'sandboxes cannot be started: no helper process for "{root}"', reason="SandboxUnavailable"
    )


def _lease(root: pathlib.Path) -> socket.socket | None:
    lease = socket.socket(socket.AF_UNIX)
    lease.settimeout(_PATIENCE)
    try:
        with reached(root, zygote.SOCKET) as address:
            lease.connect(address)
        lease.sendall(b"L")
        if lease.recv(1) == b"L":
            lease.setblocking(False)
            return lease
    except OSError:
        pass
    lease.close()
    return None


def _spawn(root: pathlib.Path) -> None:
    """Start a zygote; returns when it listens, or when it found another that does."""
    package = pathlib.Path(workbenchx.__file__).parent.parent
    command = [sys.executable, "-I", "-S", "-c", _BOOT, str(package), str(root)]
    subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, env={}, check=False, timeout=60
    )


@contextlib.contextmanager
def reached(folder: pathlib.Path, name: str) -> Iterator[str]:
    """An address for a socket in a folder, however long the folder's path is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


@contextlib.asynccontextmanager
async def attend(folder: layout.Folder) -> AsyncIterator[Stream | None]:
    """A connection to the supervisor of a sandbox; None if there is none."""
    try:
        with reached(folder.path, folder.control.name) as address:
            reader, writer = await asyncio.open_unix_connection(address)
    except OSError:
        yield None
        return
    try:
        yield Stream(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
