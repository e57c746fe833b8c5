"""A stream whose digest nobody knows yet: kept in memory while it is small, else in a file without a name.

A key is a digest, so nothing can be sent before the last byte was seen. The file is unlinked as soon as it is open: a
process that is killed leaves nothing.
"""

import asyncio
import errno
import hashlib
import io
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from workbenchx import errors

Given = TypeVar("Given")
Answer = TypeVar("Answer")
PIECE = 1 << 20
IN_MEMORY = 8 << 20
# Hashing or writing more than this stops the event loop for longer than a thread hop costs.
INLINE = 1 << 16


class Spool:
    """Bytes on their way in; `close` in any case."""

    def __init__(self) -> None:
        self._memory = bytearray()
        self._file: io.FileIO | None = None
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        """Of what was taken so far."""
        return self._digest.hexdigest()

    async def take(self, chunks: AsyncIterator[bytes]) -> None:
        """All of a stream.

        Raises:
            errors.Stalled: reason DiskFull or StorageUnavailable: the folder for temporary files.
        """
        async for chunk in chunks:
            if len(chunk) <= INLINE and self.size + len(chunk) <= IN_MEMORY:
                self._write(chunk)
            else:
                await _settled(self._write, chunk)

    async def read(self) -> AsyncIterator[bytes]:
        """The bytes again, from the first on."""
        if self._file is None:
            for start in range(0, len(self._memory), PIECE):
                yield bytes(self._memory[start : start + PIECE])
            return
        self._file.seek(0)
        while piece := await _settled(self._file.read, PIECE):
            yield piece

    def close(self) -> None:
        """Give memory and disk back."""
        self._memory.clear()
        if self._file is not None:
            self._file.close()

    def _write(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self.size += len(chunk)
        if self._file is None and self.size <= IN_MEMORY:
            self._memory += chunk
            return
        try:
            if self._file is None:
                self._file = _nameless()
                _all(self._file, self._memory)
                self._memory.clear()
            _all(self._file, chunk)
        except OSError as problem:
            raise _refused(self.size, problem) from problem


async def _settled(work: Callable[[Given], Answer], given: Given) -> Answer:
    """In a thread; who is cancelled waits for its end, so that no file is closed under its hands."""
    task = asyncio.ensure_future(asyncio.to_thread(work, given))
    try:
        return await asyncio.shield(task)
    finally:
        if not task.done():
            await asyncio.wait([task])


def _nameless() -> io.FileIO:
    """A file that is unlinked already, without a buffer: pieces are large, and copying them costs."""
    descriptor, name = tempfile.mkstemp(prefix="wbx-upload-")
    os.unlink(name)  # noqa: PTH108 - what mkstemp answers
    return io.FileIO(descriptor, "r+")


def _all(file: io.FileIO, data: bytes | bytearray) -> None:
    with memoryview(data) as view:
        done = 0
        while done < len(view):
            done += file.write(view[done:]) or 0


def _refused(needed: int, problem: OSError) -> errors.Stalled:
    folder = tempfile.gettempdir()
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return errors.Stalled(
            f'disk is full: "{folder}" keeps an upload until its sha256 is known, and has no room for {needed} bytes;'
            " make room, or let TMPDIR name another folder",
            reason="DiskFull",
        )
    return errors.Stalled(
        f'folder for uploads is not usable: "{folder}": {os.strerror(problem.errno or 0)}',
        reason="StorageUnavailable",
    )


async def digest_of(path: os.PathLike[str]) -> tuple[str, int]:
    """The sha256 and size of a file.

    Raises:
        errors.Stalled: reason ArtifactMissing: it is not a readable file.
    """

    def read() -> tuple[str, int]:
        with open(path, "rb") as file:  # noqa: PTH123 - any path-like
            return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()

    try:
        return await asyncio.to_thread(read)
    except OSError as problem:
        raise unreadable(path, problem) from problem


async def pieces(path: os.PathLike[str]) -> AsyncIterator[bytes]:
    """The bytes of a file.

    Raises:
        errors.Stalled: reason ArtifactMissing.
    """
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: ASYNC230, PTH123 - the reads are in a thread
            while piece := await asyncio.to_thread(file.read, PIECE):
                yield piece
    except OSError as problem:
        raise unreadable(path, problem) from problem


def unreadable(path: os.PathLike[str], problem: OSError) -> errors.Stalled:
    """What is said of a file that cannot be read."""
    return errors.Stalled(
        f'artifact is not there: "{os.fspath(path)}": {problem.strerror or ""}',
        reason="ArtifactMissing",
    )
