"""`ops.documents`: the index of each project's texts, and the search in it (decision 065).

For whoever serves callers: `search(conn, project, vector, limit=10, model=embedder.name)`, where `conn` is a transaction
as the caller (`callers.Caller.transaction`): row-level security decides, and a project that the caller may not read has
no hits. Each row has `source, chunk, line, start_at, end_at, body, score` (1: the same, 0: unrelated).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import rows as factories

from workbenchx import errors, ports
from workbenchx.planner import model as planning
from workbenchx.store import connections, encode, queries

_SQL = queries.load("documents")
Row = dict[str, Any]


async def off(conn: connections.Connection) -> str | None:
    """Why this database cannot do retrieval, with the way out; None: it can."""
    told: str | None = (await connections.fetch(conn, _SQL["off"]))[0][0]
    return told


async def search(
    conn: connections.Connection,
    project: str,
    vector: Sequence[float],
    limit: int = 10,
    *,
    model: str | None = None,
) -> list[Row]:
    """The nearest chunks of a project, the nearest first; at most 100. `model`: who made the vector, to be sure.

    Raises:
        errors.Stalled: reason RetrievalOff (this database cannot; the message has the way out), or EmbeddingMismatch
            (the project is indexed by another model).
    """
    params = {"project": project, "embedding": list(vector), "limit": limit, "model": model}
    try:
        async with conn.cursor(row_factory=factories.dict_row) as cursor:
            await cursor.execute(_SQL["search"], params)
            return await cursor.fetchall()
    except psycopg.errors.FeatureNotSupported as error:
        raise _off(error) from error
    except psycopg.errors.InvalidParameterValue as error:
        raise errors.Stalled(
            f"search: {error.diag.message_primary}", reason="EmbeddingMismatch"
        ) from error


async def is_indexed(conn: connections.Connection, project: str) -> bool:
    """Whether a project was ever wholly indexed by the model that it has now; False: or it is not the caller's."""
    found = await connections.fetch(conn, _SQL["set_of"], {"project": project})
    return bool(found) and found[0][3] is not None


async def set_of(conn: connections.Connection, project: str) -> Row:
    """How far a project is indexed: `model, dimensions, indexed, sources, chunks, skipped, updated_at`.

    Raises:
        errors.Stalled: reason NotFound: no such project, or the caller may not read it.
    """
    async with conn.cursor(row_factory=factories.dict_row) as cursor:
        await cursor.execute(_SQL["set_of"], {"project": project})
        found = await cursor.fetchone()
    if found is None:
        raise errors.Stalled(f'Project: "{project}" is not recorded', reason="NotFound")
    return found


class Documents:
    """`ports.Documents`, as the login `wbx_engine`."""

    def __init__(self, db: connections.Connections) -> None:
        self._db = db

    async def off(self) -> str | None:
        """As `ports.Documents`."""
        async with self._db.transaction() as conn:
            return await off(conn)

    async def due(
        self, model: str, recipe: str, project: str | None = None
    ) -> list[ports.IndexDue]:
        """As `ports.Documents`."""
        found = await self._all("due", model=model, recipe=recipe, project=project)
        return [ports.IndexDue(row[0], row[1], row[2], row[4]) for row in found]

    async def claim(
        self, project_id: str, model: str, dimensions: int, *, holder: str, lease: float
    ) -> int | None:
        """As `ports.Documents`.

        Raises:
            errors.Stalled: reason RetrievalOff.
            errors.Conflict: the project is gone.
        """
        made = {"project_id": project_id, "model": model, "dimensions": dimensions}
        held = {"project_id": project_id, "holder": holder, "lease": lease}
        try:
            async with self._db.transaction() as conn:
                await conn.execute(_SQL["ensure"], made)
                found = await connections.fetch(conn, _SQL["claim"], held)
        except psycopg.errors.FeatureNotSupported as error:
            raise _off(error) from error
        return found[0][0] if found else None

    async def declared(self, name: str) -> list[tuple[planning.Key, Mapping[str, Any]]]:
        """As `ports.Documents`."""
        found = await self._all("declared", name=name)
        return [(planning.Key(*row[:3]), row[3]) for row in found]

    async def known(self, project_id: str, sha256: Sequence[str]) -> set[str]:
        """As `ports.Documents`."""
        found = await self._all("known", project_id=project_id, sha256=list(sha256))
        return {row[0] for row in found}

    async def write(
        self,
        due: ports.IndexDue,
        token: int,
        batch: ports.ChunkBatch,
        *,
        model: str,
        lease: float,
    ) -> bool:
        """As `ports.Documents`."""
        rows = [_row(chunk, model, batch.vectors.get(chunk.sha256)) for chunk in batch.chunks]
        ends = encode.document(dict(batch.ends))
        return await self._held(
            "write", due, token, rows=encode.document(rows), ends=ends, lease=lease
        )

    async def finish(
        self, due: ports.IndexDue, token: int, counts: ports.IndexCounts, kept: Sequence[str]
    ) -> bool:
        """As `ports.Documents`."""
        return await self._held(
            "finish",
            due,
            token,
            digest=due.digest,
            sources=counts.sources,
            chunks=counts.chunks,
            skipped=counts.skipped,
            kept=list(kept),
        )

    async def release(self, project_id: str, token: int) -> None:
        """As `ports.Documents`."""
        await self._do("release", project_id=project_id, fencing=token)

    async def drop_buried(self) -> None:
        """As `ports.Documents`."""
        await self._do("drop_buried")

    async def holders(self) -> list[str]:
        """The processes that index now."""
        return [row[0] for row in await self._all("holders")]

    async def release_holder(self, holder: str) -> None:
        """Give back what a process held that surely lives no more."""
        await self._do("release_holder", holder=holder)

    async def _held(self, query: str, due: ports.IndexDue, token: int, **params: Any) -> bool:
        return bool(await self._all(query, project_id=due.project_id, fencing=token, **params))

    async def _all(self, query: str, **params: Any) -> list[tuple[Any, ...]]:
        async with self._db.transaction() as conn:
            return await connections.fetch(conn, _SQL[query], params)

    async def _do(self, query: str, **params: Any) -> None:
        async with self._db.transaction() as conn:
            await conn.execute(_SQL[query], params)


def _row(chunk: ports.Chunk, model: str, vector: Sequence[float] | None) -> dict[str, Any]:
    """As `jsonb_populate_recordset` takes it: a vector as its text."""
    return {
        "source": chunk.source,
        "chunk": chunk.number,
        "line": chunk.line,
        "start_at": chunk.start,
        "end_at": chunk.end,
        "body": chunk.body,
        "sha256": chunk.sha256,
        "model": model,
        "embedding": None if vector is None else encode.document(list(vector)),
    }


def _off(error: psycopg.Error) -> errors.Stalled:
    return errors.Stalled(f"retrieval is off: {error.diag.message_primary}", reason="RetrievalOff")
