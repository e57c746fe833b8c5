"""The sample on droplets: a database, a console and a storage as a cluster's installation has them, machines that boot, a real `wbx worker`.

`wbx up` keeps bytes on its own disk, where no machine of elsewhere can put any, so this one place has no embedded installation.
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping

import droplet_emulator
import droplet_sandbox
import evidence
import evidence_sample
import evidence_worlds
import git_lab
import psycopg
import pytest
import storage_supabase

from workbenchx.engine import clock, loop
from workbenchx.planner import model
from workbenchx.wiring import declaring

_SESSION = model.Key("Session", "penguins", "notebook")
_ENDED = """
  select array_agg(kind || ' ' || operation || ' ' || state order by kind, name, operation) as runs from ops.runs
  where operation <> 'settle'
"""
_CODE_ENDED = [
    "ExperimentRun execute succeeded",
    "ExperimentRun execute succeeded",
    "RunnerJob execute succeeded",
    "Session create succeeded",
]
_STOPPED = "select state from ops.sessions"
_LEFT = "select external_id from ops.provider_objects where state <> 'gone'"


@dataclasses.dataclass(frozen=True)
class Place(evidence_worlds.Place):
    """Droplets of the emulator."""

    bench: droplet_sandbox.Bench | None = None

    def live(self, base: pathlib.Path, folder: pathlib.Path) -> evidence_worlds.Lived:
        """The sample with one line changed, until its code ended and its session was stopped."""
        assert self.bench is not None
        root = evidence_worlds.copied(base, folder / self.adapter, self.name)
        return asyncio.run(_lived(self.bench, root, self.environ))


@contextlib.contextmanager
def droplets(request: pytest.FixtureRequest, folder: pathlib.Path) -> Iterator[Place]:
    """An account of DigitalOcean, and the installation whose API its droplets ask."""
    with droplet_sandbox.bench(request, folder) as bench:
        settings = {
            "region": droplet_emulator.REGION,
            "size": "s-2vcpu-4gb",
            "apiUrl": bench.road.entrance,
            "endpoint": bench.vendor.url,
            "pace": 0.2,
            "patience": 600.0,
        }
        environ = {
            "WBX_DATABASE_URL": bench.url,
            "WBX_HEALTH_PORT": "0",
            "DIGITALOCEAN_TOKEN": droplet_emulator.TOKEN,
            "SUPABASE_URL": bench.storage_url,
            "SUPABASE_SERVICE_ROLE_KEY": storage_supabase.key(),
        }
        yield Place("do-runner", "do_runner", settings, bench.image, environ, bench=bench)


async def _lived(
    bench: droplet_sandbox.Bench, root: pathlib.Path, environ: Mapping[str, str]
) -> evidence_worlds.Lived:
    store = bench.stores[0]
    log = root.parent / "worker.log"
    try:
        with _worker(root, environ, log):
            async with _engine(bench, root):
                await _until(bench, _ENDED, [{"runs": _CODE_ENDED}], log)
                await store.intervene("stop", _SESSION, {}, actor="test")
                await _until(
                    bench, _ENDED, [{"runs": [*_CODE_ENDED, "Session stop succeeded"]}], log
                )
                await _until(bench, _STOPPED, [{"state": "Stopped"}], log)
                await _until(bench, _LEFT, [], log)
    finally:
        await bench.rest()

    def ask(query: str) -> list[evidence.Row]:
        return _rows(bench.url, query)

    return evidence_worlds.Lived(
        git_lab.run("diff", "--numstat", at=root),
        0,
        log.read_text(),
        evidence.told(ask, changed=evidence_sample.CHANGED),
        ask(evidence_worlds.REFUSED),
    )


@contextlib.contextmanager
def _worker(root: pathlib.Path, environ: Mapping[str, str], log: pathlib.Path) -> Iterator[None]:
    """`wbx worker`, with the credentials that the sample's provider objects name."""
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "workbenchx.cli.main", "worker"],
            cwd=root.parent,
            env={"PATH": os.environ["PATH"], **environ},
            stdout=said,
            stderr=said,
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=evidence_worlds.LONG)


@contextlib.asynccontextmanager
async def _engine(bench: droplet_sandbox.Bench, root: pathlib.Path) -> AsyncIterator[None]:
    """Mirrors the files and plans, as a cluster's operator does."""
    store = bench.stores[0]
    found = await declaring.read(bench.storage, root, root / "ssot", known={})
    assert [each for each in found.report.problems if each.severity == "error"] == []
    installation = await store.installation()
    policy = model.Policy(installation=installation.id, environment=installation.environment)
    made = loop.Engine(
        store, clock=clock.SystemClock(), policy=policy, holder="test", reading=found.reading
    )
    task = asyncio.create_task(made.serve(lambda _: None))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _until(
    bench: droplet_sandbox.Bench, query: str, wanted: list[evidence.Row], log: pathlib.Path
) -> None:
    """Wait until the database answers so."""
    found: list[evidence.Row] = []
    try:
        async with asyncio.timeout(evidence_worlds.LONG):
            while (found := await asyncio.to_thread(_rows, bench.url, query)) != wanted:
                await asyncio.sleep(0.2)
    except TimeoutError:
        consoles = [each.console for each in bench.yard.machines]
        said = await asyncio.to_thread(log.read_text)
        raise AssertionError(f"waited in vain: {found}\n{said}\n{consoles}") from None


def _rows(url: str, query: str) -> list[evidence.Row]:
    with psycopg.connect(url, autocommit=True) as conn:
        found = conn.execute(evidence.asked(query).encode()).fetchone()
    assert found is not None
    rows: list[evidence.Row] = json.loads(found[0])
    return rows
