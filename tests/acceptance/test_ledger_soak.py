"""The ledger on bad days: many creates at a vendor of which a fifth of all calls goes wrong, and workers killed at random.

`SOAK_CREATES=500 pytest tests/acceptance/test_ledger_soak.py -s` is the long one (`SOAK_SEED` for the kills), and so is
`make bench ARGS=soak`; CI runs it small. It prints what went wrong and how it ended; as JSON to the file SOAK_REPORT, too.
"""

import asyncio
import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import random
from collections.abc import Iterator
from typing import Any

import emulated_provider
import emulated_runs
import emulated_worker
import faulty_provider
import psycopg
import pytest
from store_fixtures import database, server, store

from workbenchx import ports
from workbenchx.engine import observer
from workbenchx.store import embedded, postgres

__all__ = ["database", "server", "store"]
CREATES = int(os.environ.get("SOAK_CREATES", "40"))
SEED = int(os.environ.get("SOAK_SEED", "20261125"))
PATIENCE = 1200.0 + 6.0 * CREATES
REPORT = os.environ.get("SOAK_REPORT")
SHARE = 0.2
WORKERS = 2
STRAYS = ("wbx-stray-job", "wbx-stray-session")
FOREIGN = ("somebody-else", "wbx-of-another-installation")


@dataclasses.dataclass
class Soak:
    """The vendor, and the workers that use it."""

    url: str
    vendor: faulty_provider.Vendor
    random: random.Random
    workers: list[emulated_worker.Process] = dataclasses.field(default_factory=list)
    kills: int = 0

    def start(self) -> None:
        """One more worker."""
        made = emulated_worker.Process(
            self.url, self.vendor.folder, latency=0.0, slots=4, faults=SHARE
        )
        self.workers.append(made)

    def kill_one(self) -> None:
        """kill -9 for one of them, wherever it is; another takes its place."""
        self.workers.pop(self.random.randrange(len(self.workers))).kill()
        self.kills += 1
        self.start()

    async def until_ended(self, count: int) -> None:
        """One is killed after each eighth of the runs."""
        step = max(count // 8, 1)
        due = step
        async with asyncio.timeout(PATIENCE):
            while (done := await emulated_runs.ended(self.url)) < count:
                if done >= due:
                    self.kill_one()
                    due = done + step
                await asyncio.sleep(0.05)


@contextlib.contextmanager
def soaking(url: str, folder: pathlib.Path) -> Iterator[Soak]:
    """Workers that are gone after the block."""
    made = Soak(url, faulty_provider.Vendor(folder, SHARE), random.Random(SEED))
    try:
        for _ in range(WORKERS):
            made.start()
        yield made
    finally:
        for each in made.workers:
            each.kill()


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """How it ended. `ledger` and `inventory`: what is there, as our rows and as the vendor say."""

    creates: int
    starts: int
    duplicates: list[str]
    ledger: dict[str, str]
    inventory: set[str]
    faults: collections.Counter[str]
    kills: int

    @property
    def leaks(self) -> set[str]:
        """What the vendor has and no row knows."""
        return self.inventory - self.ledger.keys()

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "orders": CREATES,
            "creates": self.creates,
            "starts": self.starts,
            "faults": self.faults,
            "kills": self.kills,
            "leaks": sorted(self.leaks),
            "duplicates": self.duplicates,
            "ledger": len(self.ledger),
            "inventory": len(self.inventory),
        }

    def __str__(self) -> str:
        faults = ", ".join(f"{count} {kind}" for kind, count in sorted(self.faults.items()))
        return (
            f"soak: {self.creates} creates, {self.starts} starts, {sum(self.faults.values())} faults ({faults}),"
            f" {self.kills} workers killed: {len(self.leaks)} leaks, {len(self.duplicates)} duplicates,"
            f" ledger {'=' if self.ledger.keys() == self.inventory else '!='} inventory ({len(self.inventory)} objects)"
        )


@pytest.fixture
def url(server: embedded.Server, database: str) -> str:
    """The test's database as the engine."""
    return server.url_for("wbx_engine", database)


async def test_ledger_and_inventory_are_equal_after_bad_days(
    url: str, store: postgres.Postgres, tmp_path: pathlib.Path
) -> None:
    """Every run succeeds, each object is made once, nothing leaks, strays lie in quarantine, others' are untouched."""
    folder = tmp_path / "vendor"
    folder.mkdir()
    installation = (await store.installation()).id
    _others(faulty_provider.Vendor(folder), installation)
    await emulated_runs.order(store, CREATES)
    with soaking(url, folder) as soak:
        await soak.until_ended(CREATES)
    report = await _swept(soak, store, installation)
    print(f"\n{report}")  # noqa: T201 - the report is what a soak is for
    if REPORT:
        pathlib.Path(REPORT).write_text(json.dumps(report.document()), "utf-8")  # noqa: ASYNC240 - at the end

    assert await _states(url) == {"succeeded": CREATES}
    assert (report.duplicates, report.leaks) == ([], set())
    assert report.starts == CREATES
    # The vendor lives in the worker: killed between the object and its line, it has made one that it does not count.
    assert CREATES - soak.kills <= report.creates <= CREATES
    assert report.ledger == dict.fromkeys(STRAYS, "quarantined")
    assert report.inventory == set(STRAYS)
    assert set(_names(soak.vendor)) == {*STRAYS, *FOREIGN}
    assert soak.kills > 0
    assert "0 leaks, 0 duplicates, ledger = inventory" in str(report)


def _others(vendor: faulty_provider.Vendor, installation: str) -> None:
    """What lies at the vendor before: strays with our tag, and what is not ours."""
    kinds = ("RunnerJob", "Session")
    for name, kind in zip(STRAYS, kinds, strict=True):
        vendor.make(name, {ports.INSTALLATION_TAG: installation, ports.KIND_TAG: kind})
    vendor.make(FOREIGN[0], {})
    vendor.make(FOREIGN[1], {ports.INSTALLATION_TAG: "ffffffff"})


async def _swept(soak: Soak, store: postgres.Postgres, installation: str) -> Report:
    """Looks, as a worker takes them, until the ledger says what is there."""
    adapter = faulty_provider.FaultySandbox(soak.vendor, installation)
    looking = observer.Observer(store, {emulated_provider.ADAPTER: adapter})
    async with asyncio.timeout(PATIENCE):
        while True:
            await looking.observe()
            report = await _report(soak, installation)
            if report.ledger.keys() == report.inventory == set(STRAYS):
                return report
            await asyncio.sleep(0.05)


async def _report(soak: Soak, installation: str) -> Report:
    made = [name for name in soak.vendor.lines("creates") if name not in STRAYS + FOREIGN]
    ours = {
        each["name"]
        for each in soak.vendor.everything().values()
        if each["tags"].get(ports.INSTALLATION_TAG) == installation
    }
    return Report(
        creates=len(made),
        starts=len(soak.vendor.lines("starts")),
        duplicates=[name for name, count in collections.Counter(made).items() if count > 1],
        ledger=await _ledger(soak.url),
        inventory=ours,
        faults=collections.Counter(line.split()[1] for line in soak.vendor.lines("faults")),
        kills=soak.kills,
    )


async def _ledger(url: str) -> dict[str, str]:
    query = "select external_id, state from ops.provider_objects where state <> 'gone'"
    async with await psycopg.AsyncConnection.connect(url) as conn:
        return dict(await (await conn.execute(query)).fetchall())


async def _states(url: str) -> dict[str, int]:
    query = "select state, count(*)::integer from ops.runs group by state"
    async with await psycopg.AsyncConnection.connect(url) as conn:
        return dict(await (await conn.execute(query)).fetchall())


def _names(vendor: faulty_provider.Vendor) -> list[str]:
    return [each["name"] for each in vendor.everything().values()]
