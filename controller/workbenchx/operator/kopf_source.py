"""`EventSource` out of kopf's watch and our own lists."""

import asyncio
import collections
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Self

from workbenchx.api import registry
from workbenchx.operator import client, kubeconfig, listing, source, watching

MOST = 500
GATHER_SECONDS = 0.003
LOOK_SECONDS = 2.0
SINCE_SECONDS = 15.0
_KINDS = {kind.plural: name for name, kind in registry.KINDS.items()}


class KopfSource:
    """Opened with `async with`; see `source.EventSource` for its laws."""

    def __init__(self, access: kubeconfig.Access, api: client.Client) -> None:
        self._loop = asyncio.get_running_loop()
        self._pending: collections.deque[source.Item] = collections.deque()
        self._some = asyncio.Event()
        self._told = False
        self.lister = listing.Lister(api, self._take)
        self.watcher = watching.Watcher(access, self._hand_over, self._since, self._returned)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self.lister.serve(self.watcher.restart)),
            asyncio.create_task(self._look_after()),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self.watcher.close)

    def relist(self) -> None:
        """Read every kind as a whole soon."""
        self.lister.ask()

    async def batches(self) -> AsyncIterator[Sequence[source.Item]]:
        """What came, some milliseconds of it at a time."""
        while True:
            await self._some.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._some.clear()
            self._told = False
            while self._pending:
                count = min(MOST, len(self._pending))
                yield [self._pending.popleft() for _ in range(count)]
                await asyncio.sleep(0)

    async def _look_after(self) -> None:
        """Begin to watch once all was asked for. A kind that our lists read and kopf does not watch: it came between the two."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.lister.asked_for_all(), LOOK_SECONDS)
        self.watcher.start()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self.watcher.overlooked() - self.lister.failed:
                self.watcher.restart()

    def _take(self, items: Sequence[source.Item]) -> None:
        self._pending.extend(items)
        self._some.set()

    def _hand_over(self, items: Sequence[source.Item]) -> None:
        """From kopf's thread. One wake-up for many items."""
        self._pending.extend(items)
        if not self._told:
            self._told = True
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._some.set)

    async def _since(self, plural: str) -> int | None:
        """From kopf's thread. None also when it takes too long."""
        asked = asyncio.run_coroutine_threadsafe(self.lister.since(_KINDS[plural]), self._loop)
        try:
            async with asyncio.timeout(SINCE_SECONDS):
                return await asyncio.wrap_future(asked)
        except TimeoutError:
            return None

    def _returned(self) -> None:
        """kopf begins anew, or has listed by itself, and may have missed deletes."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.lister.renew)
