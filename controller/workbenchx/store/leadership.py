"""Who may write as the engine: one row, a lease, an epoch that fences."""

from workbenchx import errors, ports
from workbenchx.store import connections, queries

_SQL = queries.load("leadership")


class Leadership:
    """The part of the store about `ops.installation` and `ops.leader`."""

    _db: connections.Connections

    async def installation(self) -> ports.Installation:
        """This database's installation row.

        Raises:
            errors.Stalled: reason DatabaseNotMigrated.
        """
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["installation"])
        if not found:
            raise errors.Stalled(
                "database: it has no installation row; run wbx db migrate",
                reason="DatabaseNotMigrated",
            )
        return ports.Installation(id=found[0][0], environment=found[0][1])

    async def join(self, cluster_uid: str) -> None:
        """Bind the installation to a cluster; again changes nothing.

        Raises:
            errors.Stalled: reason OtherCluster.
        """
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["join"], {"cluster": cluster_uid})
            ((found,),) = await connections.fetch(conn, _SQL["cluster"])
        if found != cluster_uid:
            raise errors.Stalled(
                f'database: it belongs to the cluster "{found}", and this is "{cluster_uid}";'
                " one database is one installation: give this cluster a database of its own",
                reason="OtherCluster",
            )

    async def acquire_leader(self, holder: str, ttl: float) -> int | None:
        """Become leader if nobody else holds an unexpired lease; the new epoch, else None."""
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["acquire"], {"holder": holder, "ttl": ttl})
        return int(found[0][0]) if found else None

    async def renew_leader(self, holder: str, epoch: int, ttl: float) -> bool:
        """Keep the lease; False: lost."""
        async with self._db.transaction() as conn:
            params = {"holder": holder, "epoch": epoch, "ttl": ttl}
            return (await conn.execute(_SQL["renew"], params)).rowcount == 1

    async def release_leader(self, holder: str, epoch: int) -> None:
        """Give the lease back (another may acquire at once)."""
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["release"], {"holder": holder, "epoch": epoch})
