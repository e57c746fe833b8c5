"""`ops.log_chunks`: output of programs as it comes, until its day is dropped."""

import datetime
from collections.abc import AsyncIterator, Sequence

from workbenchx import ports
from workbenchx.store import connections, encode, events, queries

_SQL = queries.load("logs")
_RUNS = queries.load("runs")
_FIRST = "00000000-0000-0000-0000-000000000000"
_CHUNKS = 64


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

    async def ensure_log_days(self, days: Sequence[datetime.date]) -> None:
        """Make their partitions where they are missing."""
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["ensure_days"], {"days": list(days)})

    async def log_days(self) -> list[datetime.date]:
        """The days that have a partition, the oldest first."""
        async with self._db.transaction() as conn:
            return [row[0] for row in await connections.fetch(conn, _SQL["days"])]

    async def unverified_logs(
        self, day: datetime.date, *, after: str, limit: int
    ) -> list[ports.KeptLog]:
        """Ended runs with output on that day whose log was not read back yet, by run id, from behind `after` on."""
        params = {"day": day, "after": after or _FIRST, "limit": limit}
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["unverified"], params)
        return [ports.KeptLog(*row) for row in found]

    async def chunks(self, run_id: str) -> AsyncIterator[bytes]:
        """The recorded output of a run, each byte once; what a gap lacks is left out."""
        offset = 0
        while True:
            params = {"run_id": run_id, "offset": offset, "limit": _CHUNKS}
            async with self._db.transaction() as conn:
                found = await connections.fetch(conn, _SQL["read"], params)
            for start, data in found:
                yield data[max(offset - start, 0) :]
                offset = start + len(data)
            if len(found) < _CHUNKS:
                return

    async def keep_log(self, run_id: str, blob: ports.Blob) -> None:
        """Record the log of an ended run that has none; the event tells it."""
        pointer = {
            "run_id": run_id,
            "name": "log",
            "bucket": blob.bucket,
            "key": blob.key,
            "bytes": blob.bytes,
            "media_type": "text/plain",
            "sha256": blob.sha256,
        }
        told = {"name": "log", "sha256": blob.sha256, "bytes": blob.bytes}
        async with self._db.transaction() as conn:
            await conn.execute(_RUNS["keep_artifacts"], {"rows": encode.document([pointer])})
            await events.append(conn, [events.entry(ports.Event(run_id, "ArtifactStored", told))])

    async def verified_logs(self, run_ids: Sequence[str]) -> None:
        """They were read back whole, or retention removed them."""
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["verified"], {"ids": list(run_ids)})

    async def drop_log_day(self, day: datetime.date) -> bool:
        """Drop a day if every log of it is verified; False: it stays."""
        async with self._db.transaction() as conn:
            ((dropped,),) = await connections.fetch(conn, _SQL["drop_day"], {"day": day})
        return bool(dropped)
