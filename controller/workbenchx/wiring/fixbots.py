"""FixBot beside the other parts of a process. What it takes is loaded as soon as a source that is followed names a forge."""

import asyncio
import pathlib
from collections.abc import Awaitable, Callable

from workbenchx.engine import patience, secrets
from workbenchx.forge import git
from workbenchx.planner import model
from workbenchx.store import postgres
from workbenchx.wiring import settings

LOOK_SECONDS = 10.0


async def serve(
    store: postgres.Postgres,
    places: secrets.Places,
    world: Callable[[], Awaitable[model.World]],
    folder: pathlib.Path,
    *,
    chosen: settings.Settings,
    transports: str = git.TRANSPORTS,
) -> None:
    """Look after pull requests until cancelled. `folder` keeps copies of repositories."""
    while True:
        if await _needed(store):
            break
        await asyncio.sleep(LOOK_SECONDS)
    from workbenchx.wiring import mending  # noqa: PLC0415 - few have a forge

    async with mending.keeper(
        store, places, world, folder, transports=transports, chosen=chosen
    ) as keeper:
        await keeper.serve()


async def _needed(store: postgres.Postgres) -> bool:
    with patience.database_pauses():
        return any(each.spec.get("forge") for each in await store.source_states())
    return False
