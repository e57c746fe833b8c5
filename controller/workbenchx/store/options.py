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


async def recorded(source: connections.Transactions) -> tuple[ports.Option, ...]:
    """As `Options.options`, for whoever asks: callers see the provider objects of their installation."""
    async with source.transaction() as conn:
        found = await connections.fetch(conn, _SQL["recorded"])
    return tuple(ports.Option(*row) for row in found)
