"""`ops.chores`: who keeps house, and when again; and plans that nobody needs any more."""

import datetime

from workbenchx.store import connections, encode, queries

_SQL = queries.load("chores")
_AT_ONCE = 1000


class Chores:
    """The part of the store about housekeeping."""

    _db: connections.Connections

    async def claim_chore(self, worker: str, *, now: datetime.datetime, lease: float) -> str | None:
        """Take the chore that is due longest; None: nothing is due, or others do it."""
        params = {"worker": worker, "now": now, "lease": lease}
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["claim"], params)
        return str(found[0][0]) if found else None

    async def renew_chore(self, name: str, worker: str, *, lease: float) -> bool:
        """Keep the lease; False: lost."""
        params = {"name": name, "worker": worker, "lease": lease}
        async with self._db.transaction() as conn:
            return (await conn.execute(_SQL["renew"], params)).rowcount == 1

    async def conclude_chore(
        self,
        name: str,
        worker: str,
        *,
        due_at: datetime.datetime | None,
        message: str,
        done: bool,
    ) -> None:
        """Give the chore back; `due_at` None: as before."""
        params = {
            "name": name,
            "worker": worker,
            "due_at": due_at,
            "message": encode.text(message),
            "done": done,
        }
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["conclude"], params)

    async def next_chore(self) -> datetime.datetime | None:
        """When there is something to do again; None: at once, or never."""
        async with self._db.transaction() as conn:
            ((found,),) = await connections.fetch(conn, _SQL["next"])
        return found if isinstance(found, datetime.datetime) else None

    async def prune_plans(self, before: datetime.datetime) -> int:
        """Forget plans that were last made before then; how many."""
        return await self._prune("prune_plans", before)

    async def prune_reservations(self, before: datetime.datetime) -> int:
        """Forget money that was given back before then; how many times."""
        return await self._prune("prune_reservations", before)

    async def prune_fixes(self, before: datetime.datetime) -> int:
        """See ports.Chores.prune_fixes."""
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["prune_waits"])
        return await self._prune("prune_answers", before)

    async def prune_probes(self, before: datetime.datetime, *, keep: int) -> int:
        """See ports.Chores.prune_probes."""
        params = {"before": before, "keep": keep}
        pruned, gone = 0, _AT_ONCE
        while gone == _AT_ONCE:
            async with self._db.transaction() as conn:
                ((gone,),) = await connections.fetch(conn, _SQL["prune_probes"], params)
            pruned += gone
        return pruned

    async def _prune(self, statement: str, before: datetime.datetime) -> int:
        params = {"before": before, "limit": _AT_ONCE}
        pruned = 0
        while True:
            async with self._db.transaction() as conn:
                gone = (await conn.execute(_SQL[statement], params)).rowcount
            pruned += gone
            if gone < _AT_ONCE:
                return pruned
