"""`ops.source_objects`: what Sources apply into the cluster."""

from collections.abc import Iterable, Sequence
from typing import Any

from workbenchx import errors, ports
from workbenchx.planner import model
from workbenchx.store import connections, declared, encode, plans, queries, sources

_SQL = queries.load("inventory")
_MIRROR = "cluster"


class Inventory:
    """The part of the store that `ports.Inventory` is."""

    _db: connections.Connections

    async def placed(self, source: str) -> Sequence[ports.Placed]:
        """All that the source applied, or meant to."""
        found = await self._rows("placed", source)
        return [
            ports.Placed(model.Key(*row[:3]), *(*row[3:9], declared.canonically(row[9])))
            for row in found
        ]

    async def misplaced(self, source: str) -> Sequence[ports.Manifest]:
        """What is not as it was applied."""
        found = await self._rows("misplaced", source)
        return [ports.Manifest(model.Key(*row[:3]), *row[3:]) for row in found]

    async def _rows(self, statement: str, source: str) -> Sequence[tuple[Any, ...]]:
        async with self._db.transaction() as conn:
            return await connections.fetch(conn, _SQL[statement], {"source": source})

    async def intend(
        self, worker: str, source: str, commit: str, rows: Sequence[model.Declared]
    ) -> Sequence[tuple[model.Key, str]]:
        """Write down what is about to be applied."""
        keys = encode.document([row.key._asdict() for row in rows])
        asked = {"source": source, "keys": keys}
        async with self._db.transaction() as conn:
            await _still_ours(conn, worker, source)
            text = declared.spelled(rows, commit)
            await conn.execute(_SQL["intend"], {"source": source, "commit": commit, "rows": text})
            await conn.execute(_SQL["intending"], {"source": source, "commit": commit})
            found = await connections.fetch(conn, _SQL["taken"], asked)
        return [(model.Key(*row[:3]), row[3]) for row in found]

    async def confirmed(self, source: str, token: str) -> bool:
        """Whether it was confirmed lately."""
        asked = {"source": source, "token": token}
        async with self._db.transaction() as conn:
            ((found,),) = await connections.fetch(conn, _SQL["confirmed"], asked)
        return bool(found)

    async def merge_bound(self, source: str, commit: str) -> ports.MergeBound:
        """What was decided of a commit."""
        asked = {"source": source, "commit": commit}
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["merge_bound"], asked)
        if not found:
            return ports.MergeBound(decided=False)
        ((destroys,),) = found
        return ports.MergeBound(True, None if destroys is None else frozenset(destroys))

    async def landed(
        self, worker: str, source: str, *, run_id: str, pause: float, landed: ports.Landed
    ) -> None:
        """Record how it ended: one transaction."""
        told = [{**key._asdict(), "refused": ""} for key in landed.applied]
        told += [
            {**key._asdict(), "refused": encode.text(why)} for key, why in landed.refused.items()
        ]
        gone = encode.document([key._asdict() for key in landed.gone])
        async with self._db.transaction() as conn:
            held = await _still_ours(conn, worker, source)
            rows = {"source": source, "rows": encode.document(told)}
            await conn.execute(_SQL["outcome"], rows)
            await conn.execute(_SQL["gone"], {"source": source, "keys": gone})
            await place(conn, source)
            if landed.held is not None:
                await plans.keep(conn, landed.held, commit=landed.commit)
            await sources.confirm(conn, source, landed.tokens, commit=landed.commit)
            await sources.applied(
                conn, held, landed.commit, run_id=run_id, pause=pause, found=landed.found
            )


async def place(conn: connections.Connection, source: str) -> None:
    """Let what the operator mirrored say where it comes from."""
    await conn.execute(_SQL["place"], {"mirror": _MIRROR, "source": source})


async def place_these(conn: connections.Connection, keys: Iterable[model.Key]) -> None:
    """The same for what the operator mirrors now."""
    given = encode.document([key._asdict() for key in keys])
    await conn.execute(_SQL["place_these"], {"mirror": _MIRROR, "keys": given})


async def _still_ours(conn: connections.Connection, worker: str, source: str) -> dict[str, Any]:
    held = await sources.of_worker(conn, worker, source)
    if held is None:
        raise errors.Conflict(f'source: another worker follows "{source}"')
    return held
