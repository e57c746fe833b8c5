"""The ledger around a run: what a dead worker made is found and adopted, what nobody owns is swept, others' is left alone."""

import asyncio
import datetime
import pathlib
from collections.abc import Awaitable, Callable
from typing import Any

import beside
import emulated_provider
import emulated_runs
import faulty_provider
import pytest
import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx import errors, ports
from workbenchx.engine import clock, context, governor, observer, secrets, worker
from workbenchx.providers.storage import local
from workbenchx.store import postgres

__all__ = ["database", "server", "store"]
BOX = emulated_provider.ADAPTER
PATIENCE = 120.0


async def no_probe(_url: str, _timeout: float) -> bool:
    """Nothing here has an address."""
    return False


@pytest.fixture
def vendor(tmp_path: pathlib.Path) -> faulty_provider.Vendor:
    """A vendor that lists what is new after a while, on a good day."""
    return faulty_provider.Vendor(tmp_path)


async def surroundings(
    store: postgres.Postgres, folder: pathlib.Path, sandbox: ports.SandboxProvider
) -> context.Context:
    """What a worker works with."""
    return context.Context(
        store=store,
        storage=local.LocalStorage(folder / "storage"),
        sandboxes={BOX: sandbox},
        installation=await store.installation(),
        clock=clock.SystemClock(),
        places=secrets.Places(lambda _name: None),
        probe=no_probe,
    )


async def claimed(store: postgres.Postgres, name: str) -> ports.ClaimedRun:
    """The one run that is due."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await store.claim(name, limit=1, lease=600)):
            await asyncio.sleep(0.02)
    return found[0]


async def test_what_a_dead_worker_made_is_adopted(
    store: postgres.Postgres, vendor: faulty_provider.Vendor
) -> None:
    """It died right after its create, which no list shows yet: the next one waits for the list, and makes no second one."""
    sandbox = faulty_provider.FaultySandbox(vendor, (await store.installation()).id)
    around = await surroundings(store, vendor.folder, sandbox)
    await emulated_runs.order(store, 1)
    dead = context.Held(around, await claimed(store, "dead"))
    vendor.make(dead.sandbox, dead.tags)
    await store.release("dead")
    next_one = context.Held(around, await claimed(store, "next"))
    assert (next_one.run.reattach, next_one.run.started) == (True, False)
    await worker.perform(next_one)

    assert await _ends(store) == [("succeeded", "Succeeded")]
    assert vendor.lines("creates") == vendor.lines("starts") == [dead.sandbox]
    assert vendor.everything() == {}


async def test_a_dead_worker_that_made_nothing_loses_nothing(
    store: postgres.Postgres, vendor: faulty_provider.Vendor
) -> None:
    """It had the run and did nothing for it: the next one makes the sandbox, in the same attempt."""
    sandbox = faulty_provider.FaultySandbox(vendor, (await store.installation()).id)
    around = await surroundings(store, vendor.folder, sandbox)
    await emulated_runs.order(store, 1)
    await claimed(store, "dead")
    await store.release("dead")
    await worker.perform(context.Held(around, await claimed(store, "next")))

    assert await _ends(store) == [("succeeded", "Succeeded")]
    assert len(vendor.lines("starts")) == 1


class _Full(faulty_provider.FaultySandbox):
    """A vendor that never has room."""

    async def create(self, spec: ports.SandboxSpec) -> ports.SandboxStatus:
        """No."""
        raise errors.Waiting("vendor: no room", reason="SandboxUnavailable", retry_after=0.01)


async def test_a_run_whose_sandbox_never_comes_ends_at_its_deadline(
    store: postgres.Postgres, vendor: faulty_provider.Vendor
) -> None:
    """It is tried again until then, and says what kept it."""
    around = await surroundings(
        store, vendor.folder, _Full(vendor, (await store.installation()).id)
    )
    await emulated_runs.order(store, 1)
    await worker.perform(context.Held(around, await claimed(store, "w")))
    assert await _ends(store) == [("queued", "SandboxUnavailable")]
    async with store.connections.transaction() as conn:
        await conn.execute("update ops.runs set deadline = now() - interval '1 second'")
    await worker.perform(context.Held(around, await claimed(store, "w")))
    assert await _ends(store) == [("timed_out", "TimedOut")]
    assert await _message(store) == "its command never started: vendor: no room"


class _Taken(faulty_provider.FaultySandbox):
    """A vendor at which somebody else has the name."""

    async def create(self, spec: ports.SandboxSpec) -> ports.SandboxStatus:
        """No."""
        raise errors.Conflict("vendor: the name is taken", reason="NameTaken")


async def test_a_name_that_another_has_fails_the_run(
    store: postgres.Postgres, vendor: faulty_provider.Vendor
) -> None:
    """It is told at once, with what the provider says, and not tried for ever; what has the name stays."""
    sandbox = _Taken(vendor, (await store.installation()).id)
    around = await surroundings(store, vendor.folder, sandbox)
    await emulated_runs.order(store, 1)
    held = context.Held(around, await claimed(store, "w"))
    vendor.make(held.sandbox, {ports.INSTALLATION_TAG: "another"})
    await worker.perform(held)

    assert await _ends(store) == [("failed", "Conflict")]
    assert await _message(store) == "vendor: the name is taken"
    assert len(vendor.everything()) == 1


class _Booting(faulty_provider.FaultySandbox):
    """A vendor whose machines boot for ever; `asked` is set once one does."""

    def __init__(self, vendor: faulty_provider.Vendor, installation: str) -> None:
        super().__init__(vendor, installation)
        self.asked = asyncio.Event()
        self._made = vendor.make

    async def create(self, spec: ports.SandboxSpec) -> ports.SandboxStatus:
        """It is there, listed a moment later, and never ready."""
        self._made(spec.name, spec.tags)
        self.asked.set()
        return await asyncio.Future[ports.SandboxStatus]()


async def _cancel_all(store: postgres.Postgres) -> None:
    async with store.connections.transaction() as conn:
        query = "select ops_private.cancel_runs(array_agg(run_id), 'Ordered', 'ada') from ops.runs"
        await conn.execute(query)


async def test_a_cancel_does_not_wait_until_the_machine_is_there(
    store: postgres.Postgres, vendor: faulty_provider.Vendor
) -> None:
    """The machine that boots is ended, though no list shows it yet; then the run is cancelled."""
    sandbox = _Booting(vendor, (await store.installation()).id)
    around = await surroundings(store, vendor.folder, sandbox)
    await emulated_runs.order(store, 1)
    held = context.Held(around, await claimed(store, "w"))
    working = asyncio.create_task(worker.perform(held))
    async with asyncio.timeout(PATIENCE):
        await sandbox.asked.wait()
        held.cancel.set()
        await working

    assert await _ends(store) == [("cancelled", "Cancelled")]
    assert await _message(store) == "cancelled: before its command started"
    assert vendor.everything() == {}


async def test_a_cancel_is_known_to_whoever_takes_over(
    store: postgres.Postgres, vendor: faulty_provider.Vendor
) -> None:
    """The worker died while the machine booted: the next one makes no other, and ends that one."""
    sandbox = _Booting(vendor, (await store.installation()).id)
    around = await surroundings(store, vendor.folder, sandbox)
    await emulated_runs.order(store, 1)
    working = asyncio.create_task(
        worker.perform(context.Held(around, await claimed(store, "dead")))
    )
    await asyncio.wait_for(sandbox.asked.wait(), PATIENCE)
    await _cancel_all(store)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await store.release("dead")
    next_one = context.Held(around, await claimed(store, "next"))
    assert next_one.cancel.is_set()
    await worker.perform(next_one)

    assert await _ends(store) == [("cancelled", "Cancelled")]
    assert len(vendor.lines("creates")) == 1
    assert vendor.everything() == {}


async def test_the_sweep_removes_reports_and_leaves_alone(
    store: postgres.Postgres, tmp_path: pathlib.Path
) -> None:
    """Ended: removed. Unexplained: quarantined, and removed after a day. Another installation's: not even written down."""
    installation = (await store.installation()).id
    sandbox = emulated_provider.EmulatedSandbox(tmp_path, 0.0)
    tags = {ports.INSTALLATION_TAG: installation, ports.KIND_TAG: "RunnerJob"}
    for name, own in (("stray", tags), ("foreign", tags | {ports.INSTALLATION_TAG: "ffffffff"})):
        await sandbox.create(_spec(name, own))
    looking = observer.Observer(store, {BOX: sandbox})
    await looking.observe()
    assert await _ledger(store) == {"stray": "quarantined"}
    async with store.connections.transaction() as conn:
        await conn.execute("update ops.provider_objects set found_at = now() - interval '25 hours'")
    await looking.observe()
    assert await _ledger(store) == {"stray": "gone"}
    assert {each.name for each in (await sandbox.observe()).objects} == {"foreign"}


def _spec(name: str, tags: dict[str, str]) -> ports.SandboxSpec:
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    return ports.SandboxSpec(name=name, tags=tags, shape="execution", image="none", deadline=end)


async def _ends(store: postgres.Postgres) -> list[tuple[Any, ...]]:
    return await _rows(store, "select state, reason from ops.runs")


async def _message(store: postgres.Postgres) -> str:
    ((said,),) = await _rows(store, "select message from ops.runs")
    return str(said)


async def _ledger(store: postgres.Postgres) -> dict[str, str]:
    return dict(await _rows(store, "select external_id, state from ops.provider_objects"))


async def _rows(store: postgres.Postgres, query: str) -> list[tuple[Any, ...]]:
    async with store.connections.transaction() as conn:
        return await (await conn.execute(query.encode())).fetchall()


class _Down(faulty_provider.FaultySandbox):
    """A vendor that does not answer while the file `down` is there."""

    def _answer(self) -> None:
        if (self._vendor.folder / "down").exists():
            raise errors.Waiting("vendor: 503", reason="ProviderUnavailable", retry_after=0.05)

    async def create(self, spec: ports.SandboxSpec) -> ports.SandboxStatus:
        """If it answers."""
        self._answer()
        return await super().create(spec)

    async def status(self, name: str) -> ports.SandboxStatus | None:
        """If it answers."""
        self._answer()
        return await super().status(name)


async def test_runs_outlast_an_outage_of_their_provider(
    store: postgres.Postgres, vendor: faulty_provider.Vendor
) -> None:
    """It is left alone and said so in the world that is planned from; runs wait, none fails; then all go on by themselves."""
    down = vendor.folder / "down"
    down.touch()
    sandbox = _Down(vendor, (await store.installation()).id)
    breaker = ports.Breaker(threshold=2, pause=0.5, longest=1.0)
    calls = governor.Governor(store, breaker=breaker)
    around = await surroundings(store, vendor.folder, governor.governed({BOX: sandbox}, calls)[BOX])
    await emulated_runs.order(store, 5)
    async with beside.running(worker.Worker(around, name="w", slots=3).serve()):
        await _until(lambda: _told(store), "the outage is known")
        down.unlink()
        await _until(lambda: _all_succeeded(store), "every run succeeded")
        assert not await _told(store)
    assert await _ends(store) == [("succeeded", "Succeeded")] * 5
    assert len(vendor.lines("starts")) == len(vendor.lines("creates")) == 5


async def _until(true: Callable[[], Awaitable[bool]], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            while not await true():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"waited in vain: {what}") from None


async def _told(store: postgres.Postgres) -> bool:
    return (await worlds.world(store)).outages == {BOX: "vendor: 503"}


async def _all_succeeded(store: postgres.Postgres) -> bool:
    return {state for state, _ in await _ends(store)} == {"succeeded"}
