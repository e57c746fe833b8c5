"""Appending to `ops.run_events` through the product, against a bare COPY of the same rows by the same client.

Ours: `append_events` in batches of 1,000, each a transaction that numbers, chains and writes. Two shapes: each batch of
one run, and each batch over all 100 runs (ten events of each, which is a hundred links of chains a batch). The peer: COPY
into a table with the same columns, checks and indexes, from the same events; it numbers them itself and chains nothing,
and commits once in 100,000 rows. A row has 300 bytes. The sides take turns, a slice each, so that whatever else the
machine does troubles them alike.
"""

import asyncio
import collections
import contextlib
import itertools
import json
import pathlib
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Sequence

import harness
import psycopg
from bench_queue import database

from workbenchx import ports
from workbenchx.planner import model
from workbenchx.store import embedded, migrate, postgres

BATCH = 1000
SLICES = 10
FEW_SHARE = 0.006
ROW_BYTES = 300
KEY = model.Key("RunnerJob", "bench", "noop")
PROJECT = str(uuid.uuid4())
COPY = "copy bare (run_id, seq, type, actor, project_id, data) from stdin"
INSERT = (
    "insert into bare (run_id, seq, type, actor, project_id, data) values (%s, %s, %s, %s, %s, %s)"
)


def measure(small: bool) -> list[harness.Row]:
    """Events a second of each side over all its slices."""
    count, runs = (4_000, 20) if small else (1_000_000, 100)
    with tempfile.TemporaryDirectory(prefix="wbx-bench-") as folder:
        home = pathlib.Path(folder)
        home.chmod(0o755)
        try:
            took = asyncio.run(sides(home, count, runs))
        finally:
            asyncio.run(embedded.stop(home))
    if small:
        return []
    single, spread, bare = (count / took[name] for name in ("single", "spread", "bare"))
    few, inserted = (count * FEW_SHARE / took[name] for name in ("few", "inserted"))
    return [
        harness.Row("events appended, batches of one run", single, bare, "/s", 0.4, True),
        harness.Row("- batches over 100 runs", spread, bare, "/s", None, True),
        harness.Row("- 3 events at a time, against 3 INSERTs", few, inserted, "/s", None, True),
    ]


async def sides(home: pathlib.Path, count: int, runs: int) -> dict[str, float]:
    """Seconds that each side took."""
    server = await embedded.ensure_running(home)
    took: dict[str, float] = collections.defaultdict(float)
    async with (
        product(server, "single", runs) as single,
        product(server, "spread", runs) as spread,
        bare(server, runs) as peer,
    ):
        pairs: list[tuple[str, Product | Bare, bool]] = [
            ("single", single, False),
            ("bare", peer, False),
            ("spread", spread, True),
        ]
        few = round(count * FEW_SHARE / SLICES)
        for number in range(SLICES):
            for name, side, spreads in pairs:
                begin = number * count // SLICES
                given = events(side.ids, begin, begin + count // SLICES, spread=spreads)
                took[name] += await timed(side.write(given))
            told = list(events(single.ids, 0, few, spread=False))
            took["few"] += await timed(single.write_few(told))
            told = list(events(peer.ids, 0, few, spread=False))
            took["inserted"] += await timed(peer.write_few(told))
        extra = sum(len(told) for _ in range(SLICES))
        await right(single, count + extra)
        await right(spread, count)
        assert await peer.count() == count + extra
    return took


async def timed(work: Coroutine[None, None, None]) -> float:
    """Seconds that it takes."""
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


class Product:
    """Our side: the store on a database of its own."""

    def __init__(self, store: postgres.Postgres, ids: Sequence[str], where: str) -> None:
        self.store = store
        self.ids = ids
        self.where = where

    async def write(self, given: Iterable[ports.Event]) -> None:
        """By the thousand."""
        source = iter(given)
        while batch := list(itertools.islice(source, BATCH)):
            await self.store.append_events(batch)

    async def write_few(self, given: Sequence[ports.Event]) -> None:
        """Three at a time, as the engine tells what happens to one run."""
        for begin in range(0, len(given), 3):
            await self.store.append_events(given[begin : begin + 3])


class Bare:
    """The peer: a table like ours, and nothing else."""

    def __init__(self, conn: psycopg.AsyncConnection, ids: Sequence[str]) -> None:
        self.conn = conn
        self.ids = ids
        self._seqs: collections.Counter[str] = collections.Counter()

    async def write(self, given: Iterable[ports.Event]) -> None:
        """One COPY."""
        async with self.conn.transaction(), self.conn.cursor().copy(COPY) as copy:
            for event in given:
                await copy.write_row(self._row(event))

    async def write_few(self, given: Sequence[ports.Event]) -> None:
        """Three INSERTs to a transaction."""
        for begin in range(0, len(given), 3):
            rows = [self._row(event) for event in given[begin : begin + 3]]
            async with self.conn.transaction(), self.conn.cursor() as cursor:
                await cursor.executemany(INSERT, rows)

    def _row(self, event: ports.Event) -> tuple[str | int, ...]:
        self._seqs[event.run_id] += 1
        data = json.dumps(event.data)
        return event.run_id, self._seqs[event.run_id], event.type, event.actor, PROJECT, data

    async def count(self) -> int:
        """How many rows there are."""
        row = await (await self.conn.execute("select count(*) from bare")).fetchone()
        assert row is not None
        return int(row[0])


@contextlib.asynccontextmanager
async def product(server: embedded.Server, name: str, runs: int) -> AsyncIterator[Product]:
    """Our side."""
    async with database(server, name):
        await migrate.apply(server.url_for("wbx_migrate", name), environment="bench")
        store = postgres.Postgres(server.url_for("wbx_engine", name))
        try:
            where = server.url_for(embedded.ADMINISTRATOR, name)
            yield Product(store, await queued(store, where, runs), where)
        finally:
            await store.close()


@contextlib.asynccontextmanager
async def bare(server: embedded.Server, runs: int) -> AsyncIterator[Bare]:
    """The peer."""
    async with database(server, "bare") as name:
        await migrate.apply(server.url_for("wbx_migrate", name), environment="bench")
        where = server.url_for(embedded.ADMINISTRATOR, name)
        async with await psycopg.AsyncConnection.connect(where, autocommit=True) as conn:
            await conn.execute("create table bare (like ops.run_events including all)")
            yield Bare(conn, [str(uuid.uuid4()) for _ in range(runs)])


async def queued(store: postgres.Postgres, where: str, runs: int) -> list[str]:
    """The runs whose events they are."""
    async with await psycopg.AsyncConnection.connect(where) as conn:
        await conn.execute(
            "insert into ops.projects (id, kind, name) values (%s, 'Project', 'bench')", (PROJECT,)
        )
    orders = [
        ports.RunOrder(
            run_id=str(uuid.uuid4()),
            key=KEY,
            resource_uid=str(uuid.uuid4()),
            project="bench",
            operation="execute",
            provider="local",
            document={},
        )
        for _ in range(runs)
    ]
    assert await store.enqueue(orders)
    return [one.run_id for one in orders]


def events(ids: Sequence[str], begin: int, end: int, *, spread: bool) -> Iterator[ports.Event]:
    """The events of a slice; equal for both sides. A row of the table has 300 bytes."""
    for number in range(begin, end):
        run_id = ids[number % len(ids)] if spread else ids[number // BATCH % len(ids)]
        data = {
            "number": number,
            "because": "a step ended, and the next one begins with what it left",
            "path": f"outputs/part-{number:09d}.parquet",
            "loss": 0.25,
        }
        yield ports.Event(run_id, "MetricsRecorded", data, "worker/bench/1")


async def right(side: Product, count: int) -> None:
    """Everything is there, chained, of the size that is claimed."""
    chains = [chain async for chain in side.store.verify()]
    assert all(chain.verdict == "intact" for chain in chains)
    assert sum(chain.events for chain in chains) == count + len(side.ids)
    async with await psycopg.AsyncConnection.connect(side.where) as conn:
        found = await conn.execute(
            "select avg(pg_column_size(e.*)) from (select * from ops.run_events where actor <> 'engine' limit 1000) e"
        )
        size = float((await found.fetchone() or (0,))[0])
    assert abs(size - ROW_BYTES) < ROW_BYTES * 0.02, size


if __name__ == "__main__":
    harness.main(measure)
