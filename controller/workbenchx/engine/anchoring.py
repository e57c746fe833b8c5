"""Anchors: once a day the heads of the chains that ended get a root in storage that nobody can replace.

The pin is the point of no return, and the arbiter: of several that anchor at once, one pins its root under the next
number, and all go on with that one. Whoever dies before has left a document that nobody names; whoever dies after has
left a pin, and the next to anchor marks the runs and writes the row that are missing. Everything is done again without
harm.
"""

import datetime
import logging
from collections.abc import AsyncIterator

from workbenchx import errors, ports
from workbenchx.engine import failpoints, roots

LOG = logging.getLogger(__name__)
_PAGE = 2000


async def anchor(
    store: ports.Anchoring,
    storage: ports.StorageProvider,
    installation: str,
    *,
    before: datetime.datetime,
) -> ports.Anchor | None:
    """Anchor the runs that ended before then and are not anchored yet; None: there were none."""
    last = await catch_up(store, storage, installation)
    if not await store.unanchored(before=before, after="", limit=1):
        return None
    number, prev = (last.number + 1, last.root) if last else (1, "")
    day = (before - datetime.timedelta(microseconds=1)).astimezone(datetime.UTC).date()
    writer = roots.Writer(roots.Head(installation, number, day, prev))
    blob = await storage.put(writer.stream(_due(store, before)))
    if not writer.runs:
        return None
    failpoints.reach("anchor.stored")
    wanted = ports.Anchor(number, day, blob.sha256, prev, writer.runs, writer.events)
    name = roots.pin_name(installation, number)
    stands = await storage.pin(name, roots.pin(installation, wanted))
    failpoints.reach("anchor.pinned")
    made = roots.read_pin(name, stands)
    await _record(store, storage, installation, made)
    return made


async def catch_up(
    store: ports.Anchoring, storage: ports.StorageProvider, installation: str
) -> ports.Anchor | None:
    """Record the anchors that stand in storage and are not recorded; the last of all."""
    recorded = {each.number for each in await store.anchors()}
    last = None
    async for name, data in storage.pins(roots.folder(installation)):
        last = roots.read_pin(name, data)
        if last.number not in recorded:
            await _record(store, storage, installation, last)
    return last


async def _due(
    store: ports.Anchoring, before: datetime.datetime
) -> AsyncIterator[list[ports.Entry]]:
    after = ""
    while page := await store.unanchored(before=before, after=after, limit=_PAGE):
        yield page
        after = page[-1].run_id


async def _record(
    store: ports.Anchoring,
    storage: ports.StorageProvider,
    installation: str,
    made: ports.Anchor,
) -> None:
    """Mark the runs, then write the row: a row says that its runs are marked.

    A document that is lost vouches for nothing, so its runs are anchored again; `wbx db verify` tells of it.
    """
    if await _is_whole(storage, installation, made):
        async for page in roots.read(storage.open(made.root), installation, made, page=_PAGE):
            await store.mark_anchored(made.number, page)
    failpoints.reach("anchor.marked")
    await store.record_anchor(made)


async def _is_whole(storage: ports.StorageProvider, installation: str, made: ports.Anchor) -> bool:
    try:
        async for _ in roots.read(storage.open(made.root), installation, made, page=_PAGE):
            pass
    except errors.Stalled as problem:
        LOG.warning("anchor %s: its runs are anchored again: %s", made.number, problem.message)
        return False
    return True
