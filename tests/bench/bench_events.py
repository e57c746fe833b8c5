"""Appending to `ops.run_events` through the product, against a bare COPY of the same rows by the same client.

Ours: `append_events` in batches of 1,000, each a transaction that numbers, chains and writes. Two shapes: each batch of
one run, and each batch over all 100 runs (ten events of each, which is a hundred links of chains a batch). The peer: one
COPY of everything into a table with the same columns and indexes, from the same events; it numbers them itself and
chains nothing. A row has 300 bytes.
"""

import asyncio
import collections
import json
import pathlib
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence

import harness
import psycopg
from bench_queue import database

from workbenchx import ports
from workbenchx.planner import model
from workbenchx.store import embedded, migrate, postgres

BATCH = 1000
ROW_BYTES = 300
KEY = model.Key("RunnerJob", "bench", "noop")
PROJECT = str(uuid.uuid4())
COPY = "copy bare (run_id, seq, type, actor, project_id, data) from stdin"
INSERT = (
    "insert into bare (run_id, seq, type, actor, project_id, data) values (%s, %s, %s, %s, %s, %s)"
)


def measure(small: bool) -> list[harness.Row]:
    """Each side in turn, on one server; the median of three rounds."""
    count, runs, rounds = (4_000, 20, 1) if small else (1_000_000, 100, 3)
    with tempfile.TemporaryDirectory(prefix="wbx-bench-") as folder:
        home = pathlib.Path(folder)
        home.chmod(0o755)
        try:
            found = [asyncio.run(sides(home, number, count, runs)) for number in range(rounds)]
        finally:
            asyncio.run(embedded.stop(home))
    if small:
        return []
    single, spread, bare, few, few_bare = (
        harness.median(list(column)) for column in zip(*found, strict=True)
    )
    return [
        harness.Row("events appended, batches of one run", single, bare, "/s", 0.4, True),
        harness.Row("- batches over 100 runs", spread, bare, "/s", None, True),
        harness.Row("- 3 events at a time, against bare INSERTs", few, few_bare, "/s", None, True),
    ]


async def sides(
    home: pathlib.Path, number: int, count: int, runs: int
) -> tuple[float, float, float, float, float]:
    """Events a second: ours by one run, ours by all runs, theirs, then few at a time: ours, theirs."""
    server = await embedded.ensure_running(home)
    async with database(server, f"single{number}") as name:
        single = await workbenchx(server, name, count, runs, spread=False)
    async with database(server, f"spread{number}") as name:
        spread = await workbenchx(server, name, count, runs, spread=True)
        few = await few_at_a_time(server, name, count // 200)
    async with database(server, f"bare{number}") as name:
        await migrate.apply(server.url_for("wbx_migrate", name), environment="bench")
        bare = await copied(server, name, count, runs)
        few_bare = await inserted(server, name, count // 200)
    return single, spread, bare, few, few_bare


async def workbenchx(
    server: embedded.Server, name: str, count: int, runs: int, *, spread: bool
) -> float:
    """Events a second through the store."""
    await migrate.apply(server.url_for("wbx_migrate", name), environment="bench")
    store = postgres.Postgres(server.url_for("wbx_engine", name))
    try:
        ids = await queued(server, name, store, runs)
        given = batches(ids, count, spread=spread)
        started = time.perf_counter()
        for batch in given:
            await store.append_events(batch)
        took = time.perf_counter() - started
        await right(server, name, store, ids, count)
    finally:
        await store.close()
    return count / took


async def queued(
    server: embedded.Server, name: str, store: postgres.Postgres, runs: int
) -> list[str]:
    """The runs whose events they are."""
    async with await psycopg.AsyncConnection.connect(
        server.url_for(embedded.ADMINISTRATOR, name)
    ) as conn:
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


def events(ids: Sequence[str], count: int, *, spread: bool) -> Iterator[ports.Event]:
    """The events; equal for both sides. A row of the table has 300 bytes."""
    for number in range(count):
        run_id = ids[number % len(ids)] if spread else ids[number // BATCH % len(ids)]
        data = {
            "number": number,
            "because": "a step of the program ended, and the next one begins with what it left",
            "path": f"outputs/part-{number:09d}.parquet",
            "loss": 0.25,
        }
        yield ports.Event(run_id, "MetricsRecorded", data, "worker/bench/1")


def batches(ids: Sequence[str], count: int, *, spread: bool) -> Iterator[list[ports.Event]]:
    """The events by the thousand."""
    source = events(ids, count, spread=spread)
    while batch := [event for _, event in zip(range(BATCH), source, strict=False)]:
        yield batch


async def right(
    server: embedded.Server, name: str, store: postgres.Postgres, ids: Sequence[str], count: int
) -> None:
    """Everything is there, chained, of the size that is claimed."""
    chains = {chain.run_id: chain async for chain in store.verify()}
    assert all(chain.verdict == "intact" for chain in chains.values())
    assert sum(chain.events for chain in chains.values()) == count + len(ids)
    async with await psycopg.AsyncConnection.connect(
        server.url_for(embedded.ADMINISTRATOR, name)
    ) as conn:
        found = await conn.execute(
            "select avg(pg_column_size(e.*)) from (select * from ops.run_events where actor <> 'engine' limit 1000) e"
        )
        size = float((await found.fetchone() or (0,))[0])
    assert abs(size - ROW_BYTES) < ROW_BYTES * 0.05, size


async def copied(server: embedded.Server, name: str, count: int, runs: int) -> float:
    """Events a second by COPY into a table like ours."""
    ids = [str(uuid.uuid4()) for _ in range(runs)]
    async with await psycopg.AsyncConnection.connect(
        server.url_for(embedded.ADMINISTRATOR, name)
    ) as conn:
        await conn.execute("create table bare (like ops.run_events including all)")
        await conn.commit()
        started = time.perf_counter()
        seqs: collections.Counter[str] = collections.Counter()
        async with conn.cursor().copy(COPY) as copy:
            for event in events(ids, count, spread=False):
                seqs[event.run_id] += 1
                data = json.dumps(event.data)
                await copy.write_row(
                    (event.run_id, seqs[event.run_id], event.type, event.actor, PROJECT, data)
                )
        await conn.commit()
        took = time.perf_counter() - started
        found = await conn.execute("select count(*) from bare")
        assert await found.fetchone() == (count,)
    return count / took


async def few_at_a_time(server: embedded.Server, name: str, times: int) -> float:
    """Events a second, three to a transaction, as the engine tells what happens to one run."""
    store = postgres.Postgres(server.url_for("wbx_engine", name))
    try:
        ids = [chain.run_id async for chain in store.verify()]
        given = list(events(ids, times * 3, spread=False))
        started = time.perf_counter()
        for number in range(times):
            await store.append_events(given[number * 3 : number * 3 + 3])
        return times * 3 / (time.perf_counter() - started)
    finally:
        await store.close()


async def inserted(server: embedded.Server, name: str, times: int) -> float:
    """Events a second by INSERT, three to a transaction."""
    ids = [str(uuid.uuid4())]
    given = list(events(ids, times * 3, spread=False))
    async with await psycopg.AsyncConnection.connect(
        server.url_for(embedded.ADMINISTRATOR, name)
    ) as conn:
        started = time.perf_counter()
        for number in range(times):
            three = [
                (e.run_id, number * 3 + at, e.type, e.actor, PROJECT, json.dumps(e.data))
                for at, e in enumerate(given[number * 3 : number * 3 + 3], 1)
            ]
            async with conn.transaction(), conn.cursor() as cursor:
                await cursor.executemany(INSERT, three)
        return times * 3 / (time.perf_counter() - started)


if __name__ == "__main__":
    harness.main(measure)
