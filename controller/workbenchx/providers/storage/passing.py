"""Streams that are hashed while they pass."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

from workbenchx.providers.storage import naming, spool


class Hashed:
    """Passes a stream on; `sha256` and `size` are those of what has passed. A chunk is hashed while the next one comes."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        """Once the stream has ended: of all of it."""
        return self._digest.hexdigest()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            self.size += len(chunk)
            if len(chunk) <= spool.INLINE:
                self._digest.update(chunk)
            else:
                await asyncio.to_thread(self._digest.update, chunk)
            yield chunk


async def verified(chunks: AsyncIterator[bytes], sha256: str, where: str) -> AsyncIterator[bytes]:
    """The same bytes; Stalled(DigestMismatch) at their end if they have another digest. `where` they lie."""
    passed = Hashed(chunks)
    async for chunk in passed:
        yield chunk
    if passed.sha256 != sha256:
        raise naming.damaged(where, f"sha256 {passed.sha256}")


async def parts(chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[bytearray]:
    """The same bytes in parts of exactly `size`, the last one smaller or empty: always at least one part."""
    part = bytearray()
    async for chunk in chunks:
        view = memoryview(chunk)
        while len(part) + len(view) >= size:
            room = size - len(part)
            part += view[:room]
            view = view[room:]
            yield part
            part = bytearray()
        part += view
    yield part
