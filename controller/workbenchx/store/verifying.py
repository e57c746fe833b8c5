"""Verification of what is recorded: in a session of its own, page by page, against what the anchors in storage say."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import psycopg

from workbenchx import ports
from workbenchx.store import connections, queries

_SQL = queries.load("verifying")
_FIRST = "00000000-0000-0000-0000-000000000000"
_CHAINS = 1000
_POINTERS = 1000


class Verification:
    """See ports.Verification. Its temporary table goes with the session."""

    def __init__(self, conn: connections.Connection) -> None:
        self._conn = conn

    async def load(self, number: int, entries: Sequence[ports.Entry]) -> None:
        """Entries of an anchor whose document was checked."""
        lines = [f"{run_id}\t{number}\t{events}\t\\\\x{head}\n" for run_id, events, head in entries]
        with connections.meaning():
            async with self._conn.cursor().copy(_SQL["load"]) as copy:
                await copy.write("".join(lines))

    async def count(self, run_id: str | None) -> tuple[int, int]:
        """How many runs and artifacts there are to look at."""
        ((runs, artifacts),) = await self._fetch("count", run_id=run_id)
        return runs, artifacts

    async def chains(
        self, run_id: str | None, *, last: int, lost: Sequence[int]
    ) -> AsyncIterator[ports.ChainVerdict]:
        """Every run of `ops.runs`, then those that are not there and should be; or the one."""
        with connections.meaning():
            await self._conn.execute(_SQL["loaded"])
            await self._conn.execute(_SQL["loaded_statistics"])
        asked = {"run_id": run_id, "limit": _CHAINS, "last": last, "lost": list(lost)}
        for query in ("chains", "deleted"):
            after = _FIRST
            while page := await self._fetch(query, **asked, after=after):
                for row in page:
                    yield ports.ChainVerdict(row[0], row[1], row[2], row[3] or 0, row[4])
                after = page[-1][0]

    async def pointers(self, run_id: str | None) -> AsyncIterator[Sequence[ports.Pointer]]:
        """Every artifact (of that run), page by page in the order of sha256."""
        after = {"sha256": "", "after": ""}
        while page := await self._fetch("pointers", run_id=run_id, limit=_POINTERS, **after):
            found = [ports.Pointer(*row) for row in page]
            yield found
            after = {"sha256": found[-1].sha256, "after": found[-1].id}

    async def removed(self, ids: Sequence[str]) -> set[str]:
        """Those of these artifacts that retention has removed by now."""
        return {row[0] for row in await self._fetch("removed", ids=list(ids))}

    async def _fetch(self, query: str, **params: Any) -> list[tuple[Any, ...]]:
        with connections.meaning():
            return await connections.fetch(self._conn, _SQL[query], params)


class Verifying:
    """The part of the store that opens verifications."""

    _db: connections.Connections

    @contextlib.asynccontextmanager
    async def verification(self) -> AsyncIterator[Verification]:
        """A session of its own. Nothing it does is a long transaction."""
        with connections.meaning():
            conn = await psycopg.AsyncConnection.connect(
                self._db.url, autocommit=True, application_name="workbenchx verify"
            )
        try:
            with connections.meaning():
                await conn.execute(_SQL["prepare"])
            yield Verification(conn)
        finally:
            await conn.close()
