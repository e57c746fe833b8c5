"""Who asks models about failed runs for FixBot of a process: the gateway's code, over the engine's login.

The gateway is opened when the first question is asked: few projects have the rule write-fix.
"""

import asyncio
import contextlib
import decimal
from collections.abc import AsyncIterator, Mapping
from typing import Any

from workbenchx.engine import secrets
from workbenchx.engine.answering import gateway
from workbenchx.engine.fixing import asking
from workbenchx.fixbot import scenes
from workbenchx.store import postgres
from workbenchx.wiring import answering, rehearsal, settings


class Questions:
    """Of one process. Implements engine.fixing.asking.Model."""

    def __init__(
        self,
        store: postgres.Postgres,
        chosen: settings.Settings,
        places: secrets.Places,
        stack: contextlib.AsyncExitStack,
        limits: asking.Limits | None = None,
    ) -> None:
        self._store = store
        self._chosen = chosen
        self._stack = stack
        self._asker = asking.Asker(store, self, rehearsal.rehearse, places, limits)
        self._opening = asyncio.Lock()
        self._gateway: gateway.Gateway | None = None

    async def answered(self, scene: scenes.Scene, site: asking.Site) -> scenes.Scene:
        """See asking.Asker."""
        return await self._asker.answered(scene, site)

    async def write(
        self, project: str, alias: str, body: Mapping[str, Any], *, most: decimal.Decimal
    ) -> tuple[str, Mapping[str, Any]]:
        """See asking.Model."""
        async with self._opening:
            if self._gateway is None:
                opened = answering.beside(self._store.connections, self._chosen)
                self._gateway = await self._stack.enter_async_context(opened)
        return await self._gateway.write(project, alias, body, most=most)


@contextlib.asynccontextmanager
async def questions(
    store: postgres.Postgres,
    chosen: settings.Settings,
    places: secrets.Places,
    limits: asking.Limits | None = None,
) -> AsyncIterator[Questions]:
    """Until the end of the block."""
    async with contextlib.AsyncExitStack() as stack:
        yield Questions(store, chosen, places, stack, limits)
