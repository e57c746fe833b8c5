"""`ops.run_events`: appended in chains, verified by walking them."""

import dataclasses
import functools
import itertools
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any

import psycopg

from workbenchx import errors, ports
from workbenchx.store import connections, encode, queries

_SQL = queries.load("events")
_FIRST = "00000000-0000-0000-0000-000000000000"
_PAGE = 500
# From here on COPY and the three statements around it cost less than one statement that reads JSON.
_MANY = 200
_SOME = 100
_IDLE = psycopg.pq.PipelineStatus.OFF
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


@dataclasses.dataclass(frozen=True, slots=True)
class Chain:
    """How a run's chain of events stands. `broken_at` None: intact."""

    run_id: str
    events: int
    broken_at: int | None

    @property
    def verdict(self) -> str:
        """One of `intact`, `broken at seq N`."""
        return "intact" if self.broken_at is None else f"broken at seq {self.broken_at}"


class Events:
    """The part of the store about events."""

    _db: connections.Connections

    async def append_events(self, events: Sequence[ports.Event]) -> None:
        """Append to the chains of their runs."""
        if events:
            async with self._db.transaction() as conn:
                await append(conn, [entry(event) for event in events])

    async def append_once(self, fencing: int, event: ports.Event) -> bool:
        """Append under a run's token, unless the run has an event of this type: then False."""
        params = {"run_id": event.run_id, "fencing": fencing, "type": event.type}
        async with self._db.transaction() as conn:
            if not await connections.fetch(conn, _SQL["hold"], params):
                raise errors.Conflict("run: another worker holds it")
            if await connections.fetch(conn, _SQL["told"], params):
                return False
            await append(conn, [entry(event)])
        return True

    def verify(self, run_ids: Sequence[str] | None = None) -> AsyncIterator[Chain]:
        """Walk the chains of these runs, or of all, in pages; constant memory."""
        return verify(self._db, run_ids)


async def verify(
    source: connections.Transactions, run_ids: Sequence[str] | None = None
) -> AsyncIterator[Chain]:
    """Walk the chains of these runs, or of all, in pages; constant memory."""
    after = _FIRST
    while True:
        params = {
            "ids": list(run_ids) if run_ids is not None else None,
            "after": after,
            "limit": _PAGE if run_ids is None else len(run_ids),
        }
        async with source.transaction() as conn:
            found = await connections.fetch(conn, _SQL["verify"], params)
        for row in found:
            yield Chain(*row)
        if run_ids is not None or len(found) < _PAGE:
            return
        after = found[-1][0]


async def page(source: connections.Transactions, after: str | None, limit: int) -> list[Chain]:
    """The next chains by run."""
    params = {"ids": None, "after": after or _FIRST, "limit": limit}
    async with source.transaction(pipelined=True) as conn:
        return [Chain(*row) for row in await connections.fetch(conn, _SQL["verify"], params)]


def entry(event: ports.Event, project: str | None = None) -> dict[str, Any]:
    """One event as `append` takes it. `project` only where it is not the run's own."""
    return {
        "run_id": event.run_id,
        "type": event.type,
        "actor": event.actor,
        "project": project,
        "data": event.data,
    }


async def append(conn: connections.Connection, entries: Sequence[dict[str, Any]]) -> None:
    """Append inside the transaction of the change that the events tell."""
    if len(entries) >= _MANY and conn.pgconn.pipeline_status == _IDLE:
        await _copy(conn, entries)
    elif entries:
        await conn.execute(_SQL["append"], {"events": encode.document(entries)})


async def _copy(conn: connections.Connection, entries: Sequence[dict[str, Any]]) -> None:
    """The same by COPY, where the driver's pipeline does not forbid it: numbered here, digested and chained there."""
    wanted = {"ids": list({each["run_id"] for each in entries})}
    locked = await connections.fetch(conn, _SQL["lock"], wanted)
    names = {"names": list({each["project"] for each in entries if each["project"]})}
    projects = dict(
        await connections.fetch(conn, _SQL["projects"], names) if names["names"] else ()
    )
    async with conn.cursor().copy(_SQL["copy"]) as copy:
        lines = _lines(entries, locked, projects)
        # The server writes what it has while we encode what follows.
        while some := "".join(itertools.islice(lines, _SOME)):
            await copy.write(some)
    firsts = {"ids": [row[0] for row in locked], "firsts": [row[1] + 1 for row in locked]}
    await conn.execute(_SQL["link"], firsts)


def _lines(
    entries: Iterable[dict[str, Any]],
    locked: Iterable[tuple[str, int, str | None]],
    projects: dict[str, str],
) -> Iterator[str]:
    """Rows in the text form of COPY. JSON holds no line break of its own, so only its backslashes are escaped."""
    last = {run_id: seq for run_id, seq, _ in locked}
    own = {run_id: project for run_id, _, project in locked}
    for each in entries:
        run_id = each["run_id"]
        if run_id not in last:
            continue
        last[run_id] = seq = last[run_id] + 1
        project = projects.get(each["project"] or "") or own[run_id] or r"\N"
        told = f"{_escaped(each['type'])}\t{_escaped(each['actor'])}"
        data = encode.document(each["data"]).replace("\\", r"\\")
        yield f"{run_id}\t{seq}\t{told}\t{project}\t{data}\n"


@functools.lru_cache(1024)
def _escaped(text: str) -> str:
    return encode.text(text).translate(_ESCAPES)
