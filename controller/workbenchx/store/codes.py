"""Snapshots of code that workers make for what an API server declares."""

from collections.abc import Mapping

from workbenchx import ports
from workbenchx.store import connections, encode, queries

_SQL = queries.load("codes")


class Codes:
    """The part of the store that `ports.Codes` is."""

    _db: connections.Connections

    async def wanted_code(self) -> list[ports.Wanted]:
        """See ports.Codes.wanted_code."""
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["wanted"])
        return [ports.Wanted(*row) for row in found]

    async def record_code(self, source: str, code: Mapping[str, tuple[str, str]]) -> bool:
        """See ports.Codes.record_code."""
        said = {
            name: {"sha256": sha256, "commit": commit} for name, (sha256, commit) in code.items()
        }
        params = {"source": source, "code": encode.document(said)}
        async with self._db.transaction() as conn:
            return bool((await conn.execute(_SQL["record"], params)).rowcount)
