"""Taking over: what dead processes held, and what an earlier run was ordered to do."""

from workbenchx import ports
from workbenchx.planner import model
from workbenchx.store import connections, queries

_SQL = queries.load("takeover")
_SOURCES = queries.load("sources")


class Takeover:
    """The part of the store that looks at who holds what, and at orders given before."""

    _db: connections.Connections

    async def holders(self) -> list[str]:
        """The names of all processes that hold a run, a source or leadership."""
        async with self._db.transaction() as conn:
            return [row[0] for row in await connections.fetch(conn, _SQL["holders"])]

    async def release_leadership(self, holder: str) -> None:
        """Give back leadership, and sources, that a process surely no longer uses."""
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["release_leadership"], {"holder": holder})
            await conn.execute(_SOURCES["let_go"], {"holder": holder})

    async def order_of(self, run_id: str, *, as_run: str) -> ports.RunOrder | None:
        """The order of a run that executed a command, as a new run of operation `reproduce`."""
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["order_of"], {"run_id": run_id})
        if not found:
            return None
        kind, namespace, name, uid, project, provider, document, digest, timeout, attempt = found[0]
        return ports.RunOrder(
            run_id=as_run,
            key=model.Key(kind, namespace, name),
            resource_uid=uid,
            project=project,
            operation="reproduce",
            provider=provider,
            document=document,
            execution_hash=digest,
            attempt=attempt,
            timeout=timeout,
        )
