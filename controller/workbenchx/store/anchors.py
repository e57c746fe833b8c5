"""`ops.anchors`, and which runs are in which."""

import datetime
from collections.abc import Sequence

from workbenchx import ports
from workbenchx.store import connections, queries

_SQL = queries.load("anchors")
_FIRST = "00000000-0000-0000-0000-000000000000"


class Anchors:
    """The part of the store about anchors."""

    _db: connections.Connections

    async def unanchored(
        self, *, before: datetime.datetime, after: str, limit: int
    ) -> list[ports.Entry]:
        """Runs that ended before then and whose heads no anchor holds, by run id, from behind `after` on."""
        params = {"before": before, "after": after or _FIRST, "limit": limit}
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["unanchored"], params)
        return [ports.Entry(*row) for row in found]

    async def anchors(self) -> list[ports.Anchor]:
        """What is recorded of anchors, by number."""
        async with self._db.transaction() as conn:
            return [ports.Anchor(*row) for row in await connections.fetch(conn, _SQL["anchors"])]

    async def mark_anchored(self, number: int, entries: Sequence[ports.Entry]) -> None:
        """These heads are in that anchor; a chain that has grown since stays due."""
        params = {
            "number": number,
            "ids": [entry.run_id for entry in entries],
            "events": [entry.events for entry in entries],
            "heads": [entry.head for entry in entries],
        }
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["mark"], params)

    async def record_anchor(self, anchor: ports.Anchor) -> None:
        """Record an anchor once it stands in storage and its runs are marked; again changes nothing."""
        params = {
            "number": anchor.number,
            "day": anchor.day,
            "root": anchor.root,
            "prev": anchor.prev,
            "runs": anchor.runs,
            "events": anchor.events,
        }
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["record"], params)
