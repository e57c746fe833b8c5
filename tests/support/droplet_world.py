"""An installation whose code runs on droplets that boot: a real `wbx worker` beside a loop that plans, as a cluster has them."""

import contextlib
import pathlib
import signal
from collections.abc import AsyncIterator, Iterator

import beside
import cli_wbx
import droplet_emulator
import droplet_sandbox
import storage_supabase

from workbenchx.engine import clock, loop
from workbenchx.planner import model
from workbenchx.wiring import declaring

PATIENCE = 1500.0
"""Seconds that anything here may take on a machine that does many other things."""


def environ(bench: droplet_sandbox.Bench) -> dict[str, str]:
    """The database, and what the sample's provider objects name."""
    return {
        "WBX_DATABASE_URL": bench.url,
        "WBX_HEALTH_PORT": "0",
        "DIGITALOCEAN_TOKEN": droplet_emulator.TOKEN,
        "SUPABASE_URL": bench.storage_url,
        "SUPABASE_SERVICE_ROLE_KEY": storage_supabase.key(),
    }


@contextlib.asynccontextmanager
async def living(bench: droplet_sandbox.Bench, root: pathlib.Path) -> AsyncIterator[pathlib.Path]:
    """The repository's `ssot` is worked on inside the block; the worker's log."""
    with _worker(bench, root.parent) as log:
        async with _planned(bench, root):
            yield log


@contextlib.contextmanager
def _worker(bench: droplet_sandbox.Bench, folder: pathlib.Path) -> Iterator[pathlib.Path]:
    log = folder / "worker.log"
    with (
        log.open("wb") as said,
        cli_wbx.started(
            "worker",
            folder=folder,
            extra=environ(bench),
            end=signal.SIGTERM,
            stdout=said,
            stderr=said,
        ),
    ):
        yield log


@contextlib.asynccontextmanager
async def _planned(bench: droplet_sandbox.Bench, root: pathlib.Path) -> AsyncIterator[None]:
    """Mirrors the files and plans, as a cluster's operator does."""
    store = bench.stores[0]
    found = await declaring.read(bench.storage, root, root / "ssot", known={})
    assert [each for each in found.report.problems if each.severity == "error"] == []
    installation = await store.installation()
    policy = model.Policy(installation=installation.id, environment=installation.environment)
    made = loop.Engine(
        store, clock=clock.SystemClock(), policy=policy, holder="test", reading=found.reading
    )
    async with beside.running(made.serve(lambda _: None)):
        yield
