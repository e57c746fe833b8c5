"""Changes to everybody who waits for them: one LISTEN connection of the process, fanned out.

A waiting client costs one event object, whatever happens: changes that come while it is busy are one. Nobody polls.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator

from workbenchx import errors

_LOG = logging.getLogger(__name__)


class Subscription:
    """One client's place in the fan-out."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
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
    """`listen` yields once when it listens, then once per burst of changes; it may end with errors.Waiting."""

    def __init__(self, listen: Callable[[], AsyncIterator[None]]) -> None:
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
        self._wake()

    @contextlib.contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """A place in the fan-out while inside."""
        mine = Subscription(self)
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

    def _wake(self) -> None:
        for each in self._waiting:
            each.woken.set()

    async def _serve(self) -> None:
        """Listen for ever. What changed while nobody listened is covered: listening begins with a change."""
        while True:
            pause = 1.0
            try:
                async for _ in self._listen():
                    self.listening = True
                    self._wake()
            except errors.Waiting as problem:
                pause = problem.retry_after
            except Exception:  # noqa: BLE001 - a bug must not end all streams for ever
                _LOG.exception("listening for changes failed")
            self.listening = False
            await asyncio.sleep(pause)
