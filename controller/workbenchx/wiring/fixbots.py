"""FixBot beside the other parts of a process. What it takes is loaded as soon as a source that is followed names a forge."""

import pathlib
from collections.abc import Awaitable, Callable

from workbenchx.engine import secrets
from workbenchx.forge import git
from workbenchx.planner import model
from workbenchx.store import postgres
from workbenchx.wiring import awaiting, settings


async def serve(
    store: postgres.Postgres,
    places: secrets.Places,
    world: Callable[[], Awaitable[model.World]],
    folder: pathlib.Path,
    *,
    chosen: settings.Settings,
    wanted: awaiting.Forges,
    transports: str = git.TRANSPORTS,
) -> None:
    """Look after pull requests until cancelled, from when forges are `wanted` on. `folder` keeps copies of repositories."""
    await wanted.named()
    from workbenchx.wiring import mending  # noqa: PLC0415 - few have a forge

    async with mending.keeper(
        store, places, world, folder, chosen=chosen, transports=transports
    ) as keeper:
        await keeper.serve()
