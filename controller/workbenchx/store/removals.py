"""`ops.removals`, and pointers whose bytes a project's retention lets go."""

import datetime
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from workbenchx import ports
from workbenchx.store import connections, events, queries

_SQL = queries.load("removals")
_PENDING = 1000


class Removals:
    """The part of the store about bytes on their way out."""

    _db: connections.Connections

    async def retentions(self) -> dict[str, Mapping[str, Any]]:
        """spec.retention of every project that has one, by its id."""
        async with self._db.transaction() as conn:
            return dict(await connections.fetch(conn, _SQL["retentions"]))

    async def due_pointers(
        self,
        cutoffs: Sequence[ports.Cutoff],
        *,
        after: tuple[datetime.datetime, str] | None,
        limit: int,
    ) -> list[ports.Due]:
        """Pointers that are over, the oldest first, from behind (created_at, id) on."""
        params = {
            "projects": [each.project_id for each in cutoffs],
            "artifacts": [each.artifacts for each in cutoffs],
            "logs": [each.logs for each in cutoffs],
            "snapshots": [each.snapshots for each in cutoffs],
            "after_at": after and after[0],
            "after_id": after and after[1],
            "limit": limit,
        }
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["due"], params)
        return [ports.Due(*row) for row in found]

    async def needed(self, digests: Collection[str]) -> set[str]:
        """Those that a Model, a Dataset, a Session, an open run, code of a run, or an anchor names."""
        async with self._db.transaction() as conn:
            return await _needed(conn, digests)

    async def retire(
        self, due: Sequence[ports.Due], because: Mapping[str, str], now: datetime.datetime
    ) -> None:
        """Mark pointers as removed, tell it in their runs' chains, and intend to delete the bytes."""
        known = {each.id: each for each in due}
        async with self._db.transaction() as conn:
            marked = await connections.fetch(conn, _SQL["mark"], {"ids": sorted(known)})
            sizes = {"digests": [row[1] for row in marked], "sizes": [row[2] for row in marked]}
            await conn.execute(_SQL["intend"], {**sizes, "now": now})
            gone = [known[row[0]] for row in marked if known[row[0]].run_id]
            await events.append(conn, [_told(each, because[each.id]) for each in gone])

    async def removed_artifact(
        self, digests: Sequence[str]
    ) -> tuple[str, str | None, datetime.datetime] | None:
        """Name, run and time of the latest artifact among these that retention removed; None: there is none."""
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["removed"], {"digests": list(digests)})
        return (found[0][0], found[0][1], found[0][2]) if found else None

    async def removals(self, before: datetime.datetime) -> list[str]:
        """Bytes that are to be deleted: intended before then, or begun."""
        params = {"before": before, "limit": _PENDING}
        async with self._db.transaction() as conn:
            return [row[0] for row in await connections.fetch(conn, _SQL["pending"], params)]

    async def begin_deleting(
        self, digests: Collection[str], *, spared: Collection[str]
    ) -> list[str]:
        """From here on no pointer to these may be made. Those that somebody needs, or `spared`, are let off."""
        async with self._db.transaction() as conn:
            needed = await _needed(conn, digests) | (set(digests) & set(spared))
            params = {"digests": sorted(digests), "needed": sorted(needed)}
            doomed = [row[0] for row in await connections.fetch(conn, _SQL["begin"], params)]
            off = {"digests": sorted(set(digests) - set(doomed))}
            await conn.execute(_SQL["let_off"], off)
            await conn.execute(_SQL["let_off_again"], off)
        return doomed

    async def deleted(self, digests: Collection[str]) -> None:
        """The storage has deleted them."""
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["deleted"], {"digests": sorted(digests)})

    async def forget_removals(self) -> None:
        """Deletions that no open run can have overlapped any more."""
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["forget"])


async def _needed(conn: connections.Connection, digests: Collection[str]) -> set[str]:
    if not digests:
        return set()
    params = {"digests": sorted(digests)}
    return {row[0] for row in await connections.fetch(conn, _SQL["needed"], params)}


def _told(gone: ports.Due, because: str) -> dict[str, Any]:
    data = {"name": gone.name, "sha256": gone.sha256, "bytes": gone.bytes, "because": because}
    return events.entry(ports.Event(str(gone.run_id), "ArtifactRemoved", data))
