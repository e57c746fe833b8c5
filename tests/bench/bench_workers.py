"""Past one process: provider steps of half a second, drained by one worker and by two, 16 in flight each.

The provider is emulated (it answers after the latency and does nothing); all else is real: processes of `wbx worker`, one
database, and for each step its claim, its intent in the ledger, its attempt, its outcome and its four chained events, which
are counted. Then the same once more with two, one of which is killed in the middle: nothing is lost, nothing is done twice.
"""

import asyncio
import contextlib
import functools
import pathlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator

import harness
from bench_queue import database

from workbenchx.store import embedded, migrate, postgres

sys.path.append(str(harness.ROOT / "tests" / "support"))

import emulated_runs  # a benchmark is a program of its own: it has no path but its folder
import emulated_worker  # the same

SLOTS = 16
POLL = 0.05


def measure(small: bool) -> list[harness.Row]:
    """One, two, and two of which one is killed."""
    count, latency = (64, 0.05) if small else (2_000, 0.5)
    with tempfile.TemporaryDirectory(prefix="wbx-bench-") as name:
        home = pathlib.Path(name)
        home.chmod(0o755)
        try:
            one, two = asyncio.run(both(home, count, latency))
        finally:
            asyncio.run(embedded.stop(home))
    return [harness.Row("provider steps: two workers against one", two, one, "/s", 1.8, True)]


async def both(home: pathlib.Path, count: int, latency: float) -> tuple[float, float]:
    """Steps a second of one worker and of two."""
    server = await embedded.ensure_running(home)
    rates = []
    for number in (1, 2):
        async with queue(server, f"w{number}", count) as url:
            rates.append(await drain(url, home / f"w{number}", number, count, latency))
    async with queue(server, "killed", count) as url:
        await survive(url, home / "killed", count, latency)
    return rates[0], rates[1]


@contextlib.asynccontextmanager
async def queue(server: embedded.Server, name: str, count: int) -> AsyncIterator[str]:
    """A database with steps in its queue: its URL as the engine."""
    async with database(server, name):
        await migrate.apply(server.url_for("wbx_migrate", name), environment="bench")
        url = server.url_for("wbx_engine", name)
        store = postgres.Postgres(url)
        try:
            await emulated_runs.order(store, count)
        finally:
            await store.close()
        yield url


async def drain(url: str, folder: pathlib.Path, number: int, count: int, latency: float) -> float:
    """Steps a second from the first to the last claim's end; every row is there once."""
    with emulated_worker.workers(number, url, folder, latency=latency, slots=SLOTS):
        begun = await until(url, 1)
        done = await until(url, count)
    found = await emulated_runs.counts(url)
    assert (found.succeeded, found.attempts, found.chains) == (count, count, count), found
    assert found.events == 4 * count, found
    once(folder, count)
    return (count - begun[1]) / (done[0] - begun[0])


async def survive(url: str, folder: pathlib.Path, count: int, latency: float) -> None:
    """One of two is killed in the middle, and another comes: what the dead one held is taken over."""
    start = functools.partial(
        emulated_worker.workers, url=url, folder=folder, latency=latency, slots=SLOTS
    )
    with start(2) as (one, _):
        await until(url, count // 4)
        one.kill()
        with start(1):
            await until(url, count)
    found = await emulated_runs.counts(url)
    assert (found.succeeded, found.open, found.attempts) == (count, 0, count), found
    once(folder, count)


async def until(url: str, count: int) -> tuple[float, int]:
    """When at least so many have ended, and how many had."""
    async with asyncio.timeout(600):
        while (found := (await emulated_runs.ended(url))) < count:
            await asyncio.sleep(POLL)
    return time.perf_counter(), found


def once(folder: pathlib.Path, count: int) -> None:
    """Each command started once, and nothing is left at the provider."""
    starts = (folder / "starts.log").read_text(encoding="utf-8").split()
    assert len(starts) == len(set(starts)) == count


if __name__ == "__main__":
    harness.main(measure)
