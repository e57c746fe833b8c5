"""One after the other, for each name, within this process."""

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator


class Turns:
    """Who waits for a name keeps its lock alive: whoever comes later waits for the same one."""

    def __init__(self) -> None:
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def of(self, name: str) -> AsyncIterator[None]:
        """Inside, nobody else has the turn of that name."""
        lock = self._locks.setdefault(name, asyncio.Lock())
        async with lock:
            yield
