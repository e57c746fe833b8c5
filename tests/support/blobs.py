"""Bytes as streams, as storages take and give them."""

from collections.abc import AsyncIterator

from workbenchx import ports


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    """Chunks as a stream."""
    for chunk in chunks:
        yield chunk


async def read(storage: ports.StorageProvider, sha256: str) -> bytes:
    """All bytes of an object."""
    return b"".join([chunk async for chunk in storage.open(sha256)])
