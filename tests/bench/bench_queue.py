"""Runs that do nothing, through the queue: one worker against pgqueuer, on the same server.

Ours: `enqueue`, then batches of 50 through `claim` and `finish_many`: every run with lease, fencing token, deadline and
three chained events. The peer: its own enqueue and its own worker (batches of 50, drain mode) with an empty entry point.
Each has a database of its own on one embedded server, and drains the same number of jobs.
"""

import asyncio
import contextlib
import pathlib
import tempfile
import time
import uuid
from collections.abc import AsyncIterator

import harness
import psycopg
from psycopg import sql

from workbenchx import ports
from workbenchx.planner import model
from workbenchx.store import bootstrap, embedded, migrate, postgres

BATCH = 50
KEY = model.Key("RunnerJob", "bench", "noop")


def measure(small: bool) -> list[harness.Row]:
    """Both sides, three times in turn."""
    count, rounds = (200, 1) if small else (20_000, 3)
    with tempfile.TemporaryDirectory(prefix="wbx-bench-") as folder:
        home = pathlib.Path(folder)
        home.chmod(0o755)
        try:
            pairs = [asyncio.run(both(home, number, count)) for number in range(rounds)]
        finally:
            asyncio.run(embedded.stop(home))
    if small:
        return []
    median = [harness.median(list(column)) for column in zip(*pairs, strict=True)]
    return [
        harness.Row("no-op runs, one worker: throughput", median[0], median[1], "/s", 0.5, True),
        harness.Row("- enqueueing them", median[2], median[3], "/s", None, True),
    ]


async def both(home: pathlib.Path, number: int, count: int) -> tuple[float, float, float, float]:
    """Jobs a second: ours run, theirs run, ours queued, theirs queued."""
    server = await embedded.ensure_running(home)
    async with database(server, f"ours{number}") as name:
        ours = await workbenchx(server, name, count)
    async with database(server, f"theirs{number}") as name:
        theirs = await pgqueuer(server, name, count)
    return ours[0], theirs[0], ours[1], theirs[1]


@contextlib.asynccontextmanager
async def database(server: embedded.Server, name: str) -> AsyncIterator[str]:
    """A new database."""
    url = server.url_for(embedded.ADMINISTRATOR, "postgres")
    await bootstrap.bootstrap(url, database=name)
    yield name
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        drop = sql.SQL("drop database {} with (force)").format(sql.Identifier(name))
        await connection.execute(drop)


async def workbenchx(server: embedded.Server, name: str, count: int) -> tuple[float, float]:
    """Runs a second: executed, queued."""
    await migrate.apply(server.url_for("wbx_migrate", name), environment="bench")
    store = postgres.Postgres(server.url_for("wbx_engine", name))
    try:
        started = time.perf_counter()
        assert await store.enqueue([order(number) for number in range(count)])
        queued = time.perf_counter() - started
        started = time.perf_counter()
        done = await drain(store)
        took = time.perf_counter() - started
        assert len(done) == count
        (chain,) = [chain async for chain in store.verify([done[0]])]
        assert (chain.events, chain.verdict) == (3, "intact")
    finally:
        await store.close()
    return count / took, count / queued


def order(number: int) -> ports.RunOrder:
    """A run that does nothing."""
    return ports.RunOrder(
        run_id=str(uuid.uuid4()),
        key=KEY,
        resource_uid=str(uuid.uuid4()),
        project=None,
        operation="execute",
        provider="local",
        document={"command": ["true"], "number": number},
    )


async def drain(store: postgres.Postgres) -> list[str]:
    """One worker: claim a batch, do nothing, finish it; until nothing is left."""
    nothing = ports.Outcome(model.ExecutionState.SUCCEEDED, "Succeeded", exit_code=0)
    done: list[str] = []
    while claimed := await store.claim("bench", limit=BATCH, lease=30):
        ended = await store.finish_many([(run.run_id, run.fencing, nothing) for run in claimed])
        done.extend(ended)
    return done


async def pgqueuer(server: embedded.Server, name: str, count: int) -> tuple[float, float]:
    """Jobs a second: executed, queued."""
    import pgqueuer as peer  # noqa: PLC0415 - only `make bench` installs it
    from pgqueuer.db import PsycopgDriver  # noqa: PLC0415
    from pgqueuer.types import QueueExecutionMode  # noqa: PLC0415

    url = server.url_for(embedded.ADMINISTRATOR, name)
    done = 0
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        driver = PsycopgDriver(connection)
        worker = peer.PgQueuer(driver)

        @worker.entrypoint("noop")
        async def noop(job: peer.Job) -> None:
            nonlocal done
            done += 1

        await worker.qm.queries.install()
        started = time.perf_counter()
        await worker.qm.queries.enqueue(["noop"] * count, [b"1"] * count, [0] * count)
        queued = time.perf_counter() - started
        started = time.perf_counter()
        await worker.qm.run(batch_size=BATCH, mode=QueueExecutionMode.drain)
        took = time.perf_counter() - started
    assert done == count
    return count / took, count / queued


if __name__ == "__main__":
    harness.main(measure)
