"""`ops.run_events`: appended in chains, verified by walking them."""

import dataclasses
from collections.abc import AsyncIterator, Sequence
from typing import Any

from workbenchx import ports
from workbenchx.store import connections, encode, queries

_SQL = queries.load("events")
_FIRST = "00000000-0000-0000-0000-000000000000"
_PAGE = 500


@dataclasses.dataclass(frozen=True, slots=True)
class Chain:
    """How a run's chain of events stands. `broken_at` None: intact."""

    run_id: str
    events: int
    broken_at: int | None

    @property
    def verdict(self) -> str:
        """One of `intact`, `broken at seq N`."""
        return "intact" if self.broken_at is None else f"broken at seq {self.broken_at}"


class Events:
    """The part of the store about events."""

    _db: connections.Connections

    async def append_events(self, events: Sequence[ports.Event]) -> None:
        """Append to the chains of their runs."""
        if events:
            async with self._db.transaction() as conn:
                await append(conn, [entry(event) for event in events])

    def verify(self, run_ids: Sequence[str] | None = None) -> AsyncIterator[Chain]:
        """Walk the chains of these runs, or of all, in pages; constant memory."""
        return verify(self._db, run_ids)


async def verify(
    source: connections.Transactions, run_ids: Sequence[str] | None = None
) -> AsyncIterator[Chain]:
    """Walk the chains of these runs, or of all, in pages; constant memory."""
    after = _FIRST
    while True:
        params = {
            "ids": list(run_ids) if run_ids is not None else None,
            "after": after,
            "limit": _PAGE if run_ids is None else len(run_ids),
        }
        async with source.transaction() as conn:
            found = await connections.fetch(conn, _SQL["verify"], params)
        for row in found:
            yield Chain(*row)
        if run_ids is not None or len(found) < _PAGE:
            return
        after = found[-1][0]


def entry(event: ports.Event, project: str | None = None) -> dict[str, Any]:
    """One event as `append` takes it. `project` only where it is not the run's own."""
    return {
        "run_id": event.run_id,
        "type": event.type,
        "actor": event.actor,
        "project": project,
        "data": event.data,
    }


async def append(conn: connections.Connection, entries: Sequence[dict[str, Any]]) -> None:
    """Append inside the transaction of the change that the events tell."""
    if entries:
        await conn.execute(_SQL["append"], {"events": encode.document(entries)})
