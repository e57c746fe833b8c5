"""The one wait of a process until it has to do with forges: nothing that speaks to them is loaded sooner."""

import asyncio
from typing import Protocol

from workbenchx import ports
from workbenchx.engine import patience

_BETWEEN_SECONDS = 1.0


class Store(ports.Store, ports.Reviews, ports.Sources, Protocol):
    """What is needed of the database."""


class Forges:
    """Whether a Source names a forge, or is followed, so that webhooks may come. Several may wait; one of them asks."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asking = asyncio.Lock()
        self._named = False

    async def named(self) -> None:
        """Return once it is so. Asked at changes, once a second at most; what the database could not tell is asked again."""
        async with self._asking:
            async for _ in patience.surviving(self._store.changes):
                await self._look()
                if self._named:
                    return
                await asyncio.sleep(_BETWEEN_SECONDS)

    async def _look(self) -> None:
        """Ask until the database tells: no other change may come, so nobody waits for one instead."""
        while True:
            with patience.database_pauses():
                self._named = self._named or await self._found()
                return
            await asyncio.sleep(_BETWEEN_SECONDS)

    async def _found(self) -> bool:
        if await self._store.next_review() is not None:
            return True
        return any(state.source != ports.GIVEN for state in await self._store.source_states())
