"""Streams that outlive their reader: kept in this process until their end was read, and read again from their begin."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator

MOST_BYTES = 4 * 1024 * 1024
UNREAD_SECONDS = 300.0
Key = tuple[str, str]


class Kept:
    """One stream, and what came of it."""

    def __init__(self, source: AsyncGenerator[bytes, None]) -> None:
        self._source = source
        self._pieces: list[bytes] = []
        self._size = 0
        self._grown = asyncio.Event()
        self.over = False
        self.read = False
        self.since = time.monotonic()
        self.task = asyncio.create_task(self._work())

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """From the begin, then as they come."""
        at = 0
        while True:
            while at < len(self._pieces):
                yield self._pieces[at]
                at += 1
            if self.over:
                self.read = True
                return
            grown = self._grown
            await grown.wait()

    async def stop(self) -> None:
        """End it; who reads gets what came."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def _work(self) -> None:
        try:
            async with contextlib.aclosing(self._source):
                async for piece in self._source:
                    self._pieces.append(piece)
                    self._size += len(piece)
                    self._wake()
                    if self._size > MOST_BYTES:
                        break
        finally:
            self.over = True
            self.since = time.monotonic()
            self._wake()

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()


class Shelf:
    """The kept streams of one process, by caller and chat."""

    def __init__(self) -> None:
        self._kept: dict[Key, Kept] = {}

    async def keep(self, key: Key, source: AsyncGenerator[bytes, None]) -> Kept:
        """Begin one; the one before of that chat ends."""
        await self.stop(key)
        self._forget()
        found = self._kept[key] = Kept(source)
        return found

    def find(self, key: Key) -> Kept | None:
        """What is under way, or ended while nobody read its end."""
        self._forget()
        return self._kept.get(key)

    async def stop(self, key: Key) -> bool:
        """End one; whether there was any under way."""
        found = self._kept.pop(key, None)
        if found is None or found.over:
            return False
        await found.stop()
        return True

    async def aclose(self) -> None:
        """End all."""
        for key in list(self._kept):
            await self.stop(key)

    def _forget(self) -> None:
        now = time.monotonic()
        for key, each in list(self._kept.items()):
            if each.over and (each.read or now - each.since > UNREAD_SECONDS):
                del self._kept[key]
