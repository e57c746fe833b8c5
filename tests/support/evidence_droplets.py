"""The sample on droplets: a database, a console and a storage as a cluster's installation has them, machines that boot, a real `wbx worker`.

`wbx up` keeps bytes on its own disk, where no machine of elsewhere can put any, so this one place has no embedded installation.
"""

import asyncio
import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Iterator

import droplet_emulator
import droplet_sandbox
import droplet_world
import evidence
import evidence_sample
import evidence_worlds
import git_lab
import psycopg
import pytest

from workbenchx.planner import model

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
        return asyncio.run(_lived(self.bench, root))


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
        yield Place("do-runner", "do_runner", settings, bench.image, bench=bench)


async def _lived(bench: droplet_sandbox.Bench, root: pathlib.Path) -> evidence_worlds.Lived:
    try:
        async with droplet_world.living(bench, root) as log:
            await _until(bench, _ENDED, [{"runs": _CODE_ENDED}], log)
            await bench.stores[0].intervene("stop", _SESSION, {}, actor="test")
            await _until(bench, _ENDED, [{"runs": [*_CODE_ENDED, "Session stop succeeded"]}], log)
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
