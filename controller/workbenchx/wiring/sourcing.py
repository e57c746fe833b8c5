"""What a cluster's worker does for Sources: follows them, applies them, tells their forges, and runs FixBot."""

import pathlib
from collections.abc import Coroutine
from typing import Any

from workbenchx import ports
from workbenchx.engine import following, landing, secrets
from workbenchx.forge import clones, git
from workbenchx.planner import model
from workbenchx.wiring import awaiting, cluster, fixbots, process, showing, telling
from workbenchx.wiring import following as reading


def parts(
    joined: cluster.Cluster,
    storage: ports.StorageProvider,
    api: ports.Cluster,
    copies: pathlib.Path,
    places: secrets.Places,
) -> list[Coroutine[Any, Any, None]]:
    """What is to be run until cancelled. What forges and FixBot take is loaded once a Source names a forge."""

    async def world() -> model.World:
        found = await joined.store.world(now=joined.clock.now(), policy=joined.policy)
        return landing.owned(found, await joined.store.owners())

    wanted = awaiting.Forges(joined.store)
    told = telling.serve(
        joined.store,
        copies / "reviews",
        places=places,
        clock=joined.clock,
        policy=joined.policy,
        transports=git.TRANSPORTS,
        console=joined.settings.console_url,
        first=wanted,
    )
    followed = copies / "followed"
    chosen = joined.settings
    fixed = fixbots.serve(joined.store, places, world, followed, chosen=chosen, wanted=wanted)
    follower = _follower(joined, storage, api, followed, places)
    return [follower.serve(joined.store.changes), told, fixed]


def _follower(
    joined: cluster.Cluster,
    storage: ports.StorageProvider,
    api: ports.Cluster,
    copies: pathlib.Path,
    places: secrets.Places,
) -> following.Follower:
    kept = clones.Clones(copies)
    name = process.identity("follow")
    return following.Follower(
        joined.store,
        kept,
        reading.Reader(kept, storage, joined.store.specs_of_others),
        places=places,
        name=name,
        credential=showing.Shown(places),
        bringing=landing.Landing(joined.store, api, joined.policy, name),
    )
