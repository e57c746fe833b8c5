"""The provider objects that are recorded: what a worker picks its adapters by."""

from workbenchx import ports
from workbenchx.store import connections, queries

_SQL = queries.load("options")


class Options:
    """The part of the store that a worker reads before it can work."""

    _db: connections.Connections

    async def options(self) -> tuple[ports.Option, ...]:
        """Every provider object in force, by kind; the default of each kind first."""
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["recorded"])
        return tuple(ports.Option(*row) for row in found)
