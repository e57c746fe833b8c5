"""`wbx worker` as a process: it says what it waits for, works beside others, and gives back what it holds."""

import asyncio
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import emulated_provider
import emulated_runs
import emulated_worker
import httpx
import pytest
import store_server
from store_fixtures import database, server, store

from workbenchx.engine import observer
from workbenchx.store import bootstrap, embedded, migrate, postgres

__all__ = ["database", "server", "store"]
WBX = [sys.executable, "-m", "workbenchx.cli.main", "worker", "--health-port", "0"]
PATIENCE = 60.0


@pytest.fixture
def url(server: embedded.Server, database: str) -> str:
    """The test's database as the engine."""
    return server.url_for("wbx_engine", database)


async def until(what: str, look: Callable[[], object]) -> None:
    """Poll."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not look():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited in vain: {what}") from None


def told(url: str, path: str) -> tuple[int, str]:
    """What a probe answers."""
    answer = httpx.get(f"{url}{path}", timeout=10, trust_env=False)
    return answer.status_code, answer.text


@pytest.fixture
def wbx(tmp_path: pathlib.Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts `wbx worker` on a database; killed after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(url: str) -> subprocess.Popen[str]:
        own = {"PATH": os.environ["PATH"], "WBX_DATABASE_URL": url}
        pipe = subprocess.PIPE
        process = subprocess.Popen(WBX, cwd=tmp_path, env=own, stdout=pipe, stderr=pipe, text=True)
        started.append(process)
        return process

    yield start
    for each in started:
        each.kill()
        each.communicate()


async def test_a_worker_waits_for_the_migration_and_for_a_storage(
    server: embedded.Server, wbx: Callable[[str], subprocess.Popen[str]]
) -> None:
    """A cluster starts everything at once: it lives, says on /readyz what is missing, and ends in good order."""
    async with store_server.database(server, template=None) as name:
        await bootstrap.bootstrap(store_server.administrator(server), database=name)
        process = wbx(server.url_for("wbx_engine", name))
        assert process.stdout is not None
        where = process.stdout.readline().strip()
        await until("migration", lambda: "run wbx db migrate" in told(where, "/readyz")[1])
        assert told(where, "/healthz") == (200, "ok\n")
        await migrate.apply(server.url_for("wbx_migrate", name), environment="test")
        await until("storage", lambda: "no StorageProvider" in told(where, "/readyz")[1])
        assert told(where, "/readyz")[0] == 503
        code, page = told(where, "/metrics")
        assert (code, "wbx_worker_slots 16.0" in page) == (200, True)
        assert told(where, "/")[0] == 404
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 143


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ({}, "a worker needs a database of your own"),
        ({"WBX_DATABASE_URL": "postgresql://x/y", "WBX_STAND_IN": "local"}, 'stand_in is "local"'),
        ({"WBX_DATABASE_URL": "postgresql://h:6543/x", "WBX_HEALTH_PORT": "99999"}, "health_port"),
    ],
)
def test_what_can_never_work_is_an_error(
    tmp_path: pathlib.Path, own: dict[str, str], says: str
) -> None:
    """One line, exit 1; nothing is waited for."""
    command = [*WBX[:-2]]
    env = {"PATH": os.environ["PATH"], "WBX_HEALTH_PORT": "0"} | own
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert says in done.stderr


async def test_two_workers_share_the_queue_and_a_killed_one_loses_nothing(
    url: str, store: postgres.Postgres, tmp_path: pathlib.Path
) -> None:
    """kill -9 in the middle of a step; a third one takes over what it held: every run once, every row once."""
    folder = tmp_path / "shared"
    runs = await emulated_runs.order(store, 60)
    with emulated_worker.workers(2, url, folder, latency=0.2, slots=4) as (one, other):
        await until("both work", lambda: _held(one) and _held(other))
        one.kill()
        with emulated_worker.workers(1, url, folder, latency=0.2, slots=4) as (third,):
            await _ended(url, len(runs))
            found = await emulated_runs.counts(url)
            assert _performed(other) > 0
            assert third.end() == other.end() == 143
    assert (found.succeeded, found.attempts) == (60, 60)
    starts = (folder / "starts.log").read_text().split()
    assert len(starts) == len(set(starts)) == 60
    # It may have died between the end of a run and that of its sandbox: the next look sweeps what it left.
    left = emulated_provider.EmulatedSandbox(folder, 0.0)
    await observer.Observer(store, {left.adapter: left}).observe()
    assert not list((folder / "sandboxes").iterdir())


async def test_a_worker_that_is_told_to_stop_gives_back_at_once(
    url: str, store: postgres.Postgres, tmp_path: pathlib.Path
) -> None:
    """No lease has to run out: the next one takes its runs over, without starting any twice."""
    folder = tmp_path / "shared"
    await emulated_runs.order(store, 8)
    with emulated_worker.workers(1, url, folder, latency=0.5, slots=8) as (one,):
        await until("it works", lambda: _held(one) == 8)
        assert one.end() == 143
    assert await store.holders() == []
    with emulated_worker.workers(1, url, folder, latency=0.05, slots=8):
        await _ended(url, 8)
    starts = (folder / "starts.log").read_text().split()
    assert len(starts) == len(set(starts)) == 8


async def _ended(url: str, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await emulated_runs.counts(url)).succeeded < count:
            await asyncio.sleep(0.05)


def _held(one: emulated_worker.Process) -> int:
    return _meter(one, "wbx_worker_runs_held")


def _performed(one: emulated_worker.Process) -> int:
    return _meter(one, "wbx_worker_runs_performed_total")


def _meter(one: emulated_worker.Process, name: str) -> int:
    page = told(one.health, "/metrics")[1]
    values = [line.split()[1] for line in page.splitlines() if line.startswith(f"{name} ")]
    return int(float(values[0]))
