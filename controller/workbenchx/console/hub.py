"""Changes to everybody who waits for them: one LISTEN connection of the process, fanned out.

A waiting client costs one event object, whatever happens: changes that come while it is busy are one. Nobody polls.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator

from workbenchx import errors

_LOG = logging.getLogger(__name__)
Listen = Callable[[], AsyncIterator[frozenset[str]]]


class Subscription:
    """One client's place in the fan-out; `channels`: what wakes it."""

    def __init__(self, hub: "Hub", channels: frozenset[str]) -> None:
        self._hub = hub
        self.channels = channels
        self.woken = asyncio.Event()

    async def changed(self, seconds: float) -> bool:
        """True: something changed since the last time; False: nothing did for so long, or the hub closes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.woken.wait()
                self.woken.clear()
                return not self._hub.closing
        return False


class Hub:
    """`listen` yields the channels that were heard, at first all; it may end with errors.Waiting."""

    def __init__(self, listen: Listen) -> None:
        self._listen = listen
        self._waiting: set[Subscription] = set()
        self._task: asyncio.Task[None] | None = None
        self.closing = False
        self.listening = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While inside, changes are passed on."""
        self._task = asyncio.create_task(self._serve())
        try:
            yield
        finally:
            self.close()
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def close(self) -> None:
        """Every stream ends now; new ones end at once."""
        self.closing = True
        for each in self._waiting:
            each.woken.set()

    @contextlib.contextmanager
    def subscribe(self, *channels: str) -> Iterator[Subscription]:
        """A place in the fan-out while inside."""
        mine = Subscription(self, frozenset(channels))
        self._waiting.add(mine)
        if self.closing:
            mine.woken.set()
        try:
            yield mine
        finally:
            self._waiting.discard(mine)

    @property
    def clients(self) -> int:
        """How many wait."""
        return len(self._waiting)

    async def _serve(self) -> None:
        """Listen for ever. What changed while nobody listened is covered: listening begins with a change."""
        while True:
            pause = 1.0
            try:
                async for heard in self._listen():
                    self.listening = True
                    self._wake(heard)
            except errors.Waiting as problem:
                pause = problem.retry_after
            except Exception:  # noqa: BLE001 - a bug must not end all streams for ever
                _LOG.exception("listening for changes failed")
            self.listening = False
            await asyncio.sleep(pause)

    def _wake(self, heard: frozenset[str]) -> None:
        for each in self._waiting:
            if each.channels & heard:
                each.woken.set()
