"""Retention: bytes that are older than a project wants them kept. See decision 061 for the order of things.

The pointer stays and says when its bytes went; its run's chain tells it. Bytes go when the last pointer to them has gone
and nothing else names them; the intent is recorded before, and some time passes in between.
"""

import datetime
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from workbenchx import ports
from workbenchx.api import quantities
from workbenchx.engine import failpoints, roots

GRACE = datetime.timedelta(minutes=10)
_PAGE = 500


async def keep(store: ports.Keeping, storage: ports.StorageProvider, now: datetime.datetime) -> str:
    """Retire what is over, and delete what was retired before. What was done, in a sentence."""
    anchored = {root async for root in _anchored(storage)}
    retired = await _retire(store, now, anchored)
    deleted = await _delete(store, storage, now - GRACE, anchored)
    await store.forget_removals()
    return f"{retired} artifacts retired, {deleted} objects deleted"


async def _anchored(storage: ports.StorageProvider) -> AsyncIterator[str]:
    """Documents of anchors: as the storage lists them, whatever the database says."""
    async for name, data in storage.pins(roots.FOLDER):
        yield roots.read_pin(name, data).root


async def _retire(store: ports.Keeping, now: datetime.datetime, anchored: set[str]) -> int:
    wanted = await store.retentions()
    cutoffs = [cutoff(project, policy, now) for project, policy in wanted.items()]
    after, retired = None, 0
    while page := await store.due_pointers(cutoffs, after=after, limit=_PAGE):
        kept = anchored | await store.needed({each.sha256 for each in page})
        due = [each for each in page if each.sha256 not in kept]
        if due:
            await store.retire(due, _because(due, wanted), now)
            failpoints.reach("removal.intended")
        retired += len(due)
        after = (page[-1].created_at, page[-1].id)
    return retired


async def _delete(
    store: ports.Keeping,
    storage: ports.StorageProvider,
    before: datetime.datetime,
    anchored: set[str],
) -> int:
    deleted = 0
    while pending := await store.removals(before):
        doomed = await store.begin_deleting(pending, spared=anchored)
        failpoints.reach("removal.begun")
        for sha256 in doomed:
            await storage.delete(sha256)
        failpoints.reach("removal.deleted")
        await store.deleted(doomed)
        deleted += len(doomed)
    return deleted


def cutoff(project: str, policy: Mapping[str, Any], now: datetime.datetime) -> ports.Cutoff:
    """Before when each sort must have been recorded to be over. What cannot be read as a duration keeps."""
    return ports.Cutoff(
        project, *(_before(policy.get(sort), now) for sort in ("artifacts", "logs", "snapshots"))
    )


def _before(text: Any, now: datetime.datetime) -> datetime.datetime | None:
    try:
        return now - datetime.timedelta(seconds=quantities.duration(str(text))) if text else None
    except (ValueError, OverflowError):
        return None


def _because(due: Sequence[ports.Due], wanted: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {
        each.id: f"spec.retention.{each.sort} is {wanted[each.project_id][each.sort]}"
        for each in due
    }
