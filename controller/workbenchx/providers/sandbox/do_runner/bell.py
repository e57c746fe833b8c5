"""One listener for all who wait for runners; whoever misses it looks again after a while."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from workbenchx import errors

_AGAIN_SECONDS = 1.0


class Bell:
    """Rings when something changed at the desk. It listens while somebody waits."""

    def __init__(self, changes: Callable[[], AsyncIterator[None]]) -> None:
        self._changes = changes
        self._rung = asyncio.Event()
        self._listener: asyncio.Task[None] | None = None

    async def wait(self, seconds: float) -> None:
        """Until it rings, at most so long."""
        if self._listener is None or self._listener.done():
            self._listener = asyncio.create_task(self._listen())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()

    async def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(errors.Waiting):
                async for _ in self._changes():
                    rung, self._rung = self._rung, asyncio.Event()
                    rung.set()
            await asyncio.sleep(_AGAIN_SECONDS)
