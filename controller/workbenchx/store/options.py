"""The provider objects that are recorded: what a worker picks its adapters by."""

from workbenchx import ports
from workbenchx.store import connections, queries

_SQL = queries.load("options")


class Options:
    """The part of the store that a worker reads before it can work."""

    _db: connections.Connections

    async def options(self) -> tuple[ports.Option, ...]:
        """Every provider object in force, by kind; the default of each kind first."""
        return await recorded(self._db)

    async def storage_of(self, project: str) -> str | None:
        """The storage that a Project names; None: the default one."""
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["storage_of"], {"project": project})
        return found[0][0] if found else None

    async def storages_with(self, sha256: str) -> tuple[str, ...]:
        """As `whereabouts`, of all pointers."""
        return await whereabouts(self._db, sha256)


async def whereabouts(source: connections.Transactions, sha256: str) -> tuple[str, ...]:
    """The storages that pointers say these bytes lie in, the latest first; of the pointers that whoever asks may see."""
    async with source.transaction() as conn:
        found = await connections.fetch(conn, _SQL["storages_with"], {"sha256": sha256})
    return tuple(row[0] for row in found)


async def recorded(source: connections.Transactions) -> tuple[ports.Option, ...]:
    """As `Options.options`, for whoever asks: callers see the provider objects of their installation."""
    async with source.transaction() as conn:
        found = await connections.fetch(conn, _SQL["recorded"])
    return tuple(ports.Option(*row) for row in found)
