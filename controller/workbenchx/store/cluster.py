"""What only an operator writes: `ops.declared` by changes, instead of by whole readings."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from workbenchx.api import identity
from workbenchx.planner import model
from workbenchx.store import connections, declared, encode, inventory, queries

_SQL = queries.load("cluster")
_DECLARED = queries.load("declared")
_FENCE = queries.load("leadership")["fence"]

Standing = tuple[str, str | None, str | None, str]


@dataclasses.dataclass(frozen=True, slots=True)
class Declarations:
    """Changes of what a source declares. `complete`: all of it was seen, so that absence means something."""

    rows: Sequence[model.Declared]
    removed: Sequence[identity.Key]
    complete: bool


class Cluster:
    """The part of the store that the operator adds. Every write is fenced by the leader's epoch."""

    _db: connections.Connections

    async def standing_declared(self, source: str) -> Mapping[identity.Key, Standing]:
        """What a source says now: hash, project, problem and metadata of each."""
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _DECLARED["standing"], {"source": source})
        return {
            identity.Key(*row[:3]): (row[3], row[4], row[7], declared.canonically(row[9]))
            for row in found
        }

    async def declare(self, epoch: int, source: str, changes: Declarations) -> bool:
        """Write changes of what a source declares, in one transaction; False: the epoch is stale, nothing was written."""
        begun = {"source": source, "complete": changes.complete, "commit": None, "code": "{}"}
        async with self._db.transaction() as conn:
            if not await connections.fetch(conn, _FENCE, {"epoch": epoch}):
                return False
            reading = int((await connections.fetch(conn, _DECLARED["begin_epoch"], begun))[0][0])
            if changes.removed:
                keys = encode.document([key._asdict() for key in changes.removed])
                await conn.execute(_DECLARED["remove"], {"source": source, "keys": keys})
            if changes.rows:
                rows = encode.document([declared.row(one, None) for one in changes.rows])
                params = {"source": source, "epoch": reading, "rows": rows}
                await conn.execute(_DECLARED["write"], params)
                await inventory.place_these(conn, [row.key for row in changes.rows])
        return True

    async def unreleased(self, keys: Collection[identity.Key]) -> set[identity.Key]:
        """Those of `keys` of which something is at a provider, or may still come to be there."""
        asked = encode.document([key._asdict() for key in keys])
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["unreleased"], {"keys": asked})
        return {identity.Key(*row) for row in found}
