"""`ops.log_chunks`: output of programs as it comes."""

from workbenchx.store import connections, queries

_SQL = queries.load("logs")


class Logs:
    """The part of the store about output."""

    _db: connections.Connections
    _days: set[object]

    async def append_log(self, run_id: str, attempt: int, offset: int, data: bytes) -> None:
        """Append output; the same (run, attempt, offset) twice is once."""
        params = {"run_id": run_id, "attempt": attempt, "offset": offset, "data": data}
        async with self._db.transaction() as conn:
            if run_id not in self._days:
                await conn.execute(_SQL["ensure_day"], {"run_id": run_id})
            await conn.execute(_SQL["append"], params)
        self._days.add(run_id)

    async def log_end(self, run_id: str, attempt: int) -> int:
        """Where the recorded output of an attempt ends, in bytes."""
        async with self._db.transaction() as conn:
            params = {"run_id": run_id, "attempt": attempt}
            found = await connections.fetch(conn, _SQL["end"], params)
        return int(found[0][0]) if found else 0
