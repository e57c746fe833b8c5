"""The `do_runner` adapter with microVMs on the vendor's bad days. Runners are played by hand here."""

import asyncio
import dataclasses
import datetime
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import droplet_emulator
import microvm_emulator
import providers_sandbox
import pytest
import runner_place
from store_fixtures import database, server, store

from workbenchx import errors
from workbenchx.providers.sandbox.do_runner import adapter
from workbenchx.store import callers, embedded, postgres

__all__ = ["database", "server", "store"]

NAME, order = runner_place.NAME, runner_place.order


@pytest.fixture
async def place(
    store: postgres.Postgres, server: embedded.Server, database: str, tmp_path: pathlib.Path
) -> AsyncIterator[runner_place.Place]:
    """Nothing yet."""
    source = callers.Callers(server.url_for("wbx_api", database))
    async with runner_place.serving(store, source, tmp_path, "microvm") as made:
        yield made


Verb = Callable[[adapter.DropletSandbox], Awaitable[Any]]
STALLED, WAITING, FINE = errors.Stalled, errors.Waiting, None
OTHER = "wbx-other"
VERBS: dict[str, tuple[Verb, dict[str, type[Exception] | None]]] = {
    "observe": (
        lambda it: it.observe(),
        {"busy": WAITING, "broken": WAITING, "expired": STALLED, "closed": STALLED},
    ),
    "create another": (
        lambda it: it.create(dataclasses.replace(order(), name=OTHER)),
        {"busy": WAITING, "broken": WAITING, "expired": STALLED, "full": WAITING, "quota": WAITING},
    ),
    "create again": (lambda it: it.create(order()), {"busy": FINE, "broken": FINE, "full": FINE}),
    "status": (
        lambda it: it.status(NAME),
        {"busy": FINE, "broken": FINE, "executes_not": FINE, "expired": STALLED},
    ),
    "delete": (
        lambda it: it.delete(NAME),
        {"busy": WAITING, "broken": WAITING, "expired": STALLED, "closed": STALLED},
    ),
}
TABLE = [(verb, fault) for verb, (_, told) in VERBS.items() for fault in told]
SWITCHES: dict[str, dict[str, Any]] = {
    "busy": {"busy": 1},
    "broken": {"broken": 1},
    "expired": {"expired": True},
    "full": {"full": True},
    "closed": {"closed": True},
    "quota": {"quota": "You have reached the limit of MicroVMs."},
    "executes_not": {"executes_not": 1},
}


@pytest.mark.parametrize(("verb", "fault"), TABLE)
async def test_a_verb_under_a_fault(place: runner_place.Place, verb: str, fault: str) -> None:
    """It waits, needs a person, or goes on without the vendor; afterwards the same verb succeeds, and nothing was lost."""
    await place.begin(place.sandbox())
    for name, value in SWITCHES[fault].items():
        faults = (
            place.vendor.faults if hasattr(place.vendor.faults, name) else place.vendor.troubles
        )
        setattr(faults, name, value)
    call, told = VERBS[verb]
    if (expected := told[fault]) is None:
        await call(place.sandbox())
    else:
        with pytest.raises(expected):
            await call(place.sandbox())
    place.vendor.faults = droplet_emulator.Faults()
    place.vendor.troubles = microvm_emulator.Troubles()
    assert [each.body["name"] for each in place.vendor.microvms.values()] == [NAME]
    row = await place.store.runner(NAME)
    assert row is not None
    assert row.state == "running"
    if verb != "create another":
        await call(place.sandbox())
    assert len(place.vendor.microvms) == (0 if verb == "delete" else 1)


async def test_a_create_in_doubt_is_adopted(place: runner_place.Place) -> None:
    """503 after the microVM was made, and then no answer at all: asked again it is found, and there is one."""
    for fault in ("lost", "silent"):
        setattr(place.vendor.faults, fault, 1)
        sandbox = place.sandbox(timeout=5.0 if fault == "silent" else 60.0)
        while "POST /v2/microvms" not in place.vendor.asked:
            with pytest.raises(errors.Waiting):
                await sandbox.create(order())
        making = asyncio.create_task(place.sandbox().create(order()))
        await place.stage()
        assert (await making).state == "created"
        assert len(place.vendor.microvms) == 1
        assert place.vendor.asked.count("POST /v2/microvms") == 1
        await place.sandbox().delete(NAME)
        assert place.vendor.microvms == {}
        place.vendor.asked.clear()


async def test_one_of_an_earlier_try_is_replaced(place: runner_place.Place) -> None:
    """It has the name, so the vendor answers 409; its token does not count, so it goes, and another one comes."""
    making = asyncio.create_task(place.sandbox().create(order()))
    await providers_sandbox.until(lambda: there(place), seconds=120)
    making.cancel()
    (early,) = place.vendor.of_name(NAME)
    early.body["tags"] = [each for each in early.body["tags"] if "wbx-try" not in each]
    await place.store.bind_runner(NAME, None)
    making = asyncio.create_task(place.sandbox().create(order()))
    await providers_sandbox.until(lambda: is_gone(place, early.id), seconds=120)
    await place.stage()
    assert (await making).state == "created"
    (late,) = place.vendor.of_name(NAME)
    assert late.id != early.id


async def is_gone(place: runner_place.Place, microvm: str) -> bool:
    """Whether it was destroyed."""
    return microvm not in place.vendor.microvms


async def there(place: runner_place.Place) -> bool:
    """Whether its machine is known at the desk."""
    row = await place.store.runner(NAME)
    return row is not None and row.external_id is not None


async def test_one_that_fails_is_told_and_removed(place: runner_place.Place) -> None:
    """With the vendor's reason, whenever it is tried again; nothing of it stays."""
    place.vendor.troubles.fails = "The image could not be pulled."
    for _ in range(2):
        with pytest.raises(errors.Waiting, match="could not be pulled"):
            await place.sandbox().create(order())
        assert place.vendor.microvms == {}
    place.vendor.troubles.fails = ""
    await place.begin(place.sandbox())


async def test_one_that_is_never_made_is_waited_for(place: runner_place.Place) -> None:
    """It stays `creating`: `create` says so, again and again, and makes no other one; it can be stopped and deleted."""
    place.vendor.faults.stuck = True
    sandbox = place.sandbox(patience=1.0)
    for _ in range(2):
        with pytest.raises(errors.Waiting, match="its runner does not answer yet"):
            await sandbox.create(order())
    assert len(place.vendor.microvms) == 1
    assert await sandbox.status(NAME) is None
    await sandbox.stop(NAME)
    await sandbox.delete(NAME)
    assert place.vendor.microvms == {}


async def test_one_that_pauses_goes_on(place: runner_place.Place) -> None:
    """Whoever waits wakes it, as often as it takes, and no silence of before counts: it is not lost, and its word is the end."""
    sandbox = place.sandbox(silence=0.5)
    begun = place.sandbox(silence=3600.0)
    hand = await place.begin(begun)
    (microvm,) = place.vendor.of_name(NAME)
    place.vendor.pause(microvm)
    (seen,) = (await sandbox.observe()).objects
    assert (seen.state, seen.fields["status"]) == ("running", "paused")
    place.vendor.troubles.pauses_still = 1
    while microvm.state == "paused":
        found = await sandbox.status(NAME)
        assert found is not None
        assert found.state == "running"
    await hand.finish({"state": "exited", "exit_code": 0, "reason": "Exited"}, [])
    assert (await sandbox.wait(NAME)).reason == "Exited"
    assert place.vendor.microvms == {}


async def test_one_that_is_worked_in_is_used_at_times(place: runner_place.Place) -> None:
    """So that it does not pause: at the first look of a process, and not at each."""
    sandbox = place.sandbox()
    await place.begin(sandbox)
    (microvm,) = place.vendor.of_name(NAME)
    for _ in range(3):
        await sandbox.status(NAME)
    assert microvm.ran == [["true"]]


@pytest.mark.parametrize("end", ["gone", "failed", "silent"])
async def test_one_that_dies_is_lost(place: runner_place.Place, end: str) -> None:
    """Destroyed by somebody, failed, or silent for too long while it runs: Lost, and no longer paid for."""
    sandbox = place.sandbox(silence=0.2 if end == "silent" else 3600.0)
    await place.begin(sandbox)
    (microvm,) = place.vendor.of_name(NAME)
    if end == "gone":
        place.vendor.microvms.clear()
    elif end == "failed":
        microvm.state, microvm.why = "failed", "The host is gone."

    async def over() -> bool:
        found = await sandbox.status(NAME)
        return found is not None and found.state == "exited"

    await providers_sandbox.until(over, seconds=120)
    found = await sandbox.wait(NAME)
    assert found.reason == "Lost"
    assert ("The host is gone." in found.message) == (end == "failed")
    assert place.vendor.microvms == {}


async def test_a_deadline_ends_what_is_paused(place: runner_place.Place) -> None:
    """It is not woken for it."""
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=3)
    await place.begin(place.sandbox(grace=3600.0), order(deadline=past))
    (microvm,) = place.vendor.of_name(NAME)
    place.vendor.pause(microvm)
    found = await place.sandbox(grace=1.0).status(NAME)
    assert found is not None
    assert (found.state, found.reason) == ("exited", "DeadlineExceeded")
    assert place.vendor.microvms == {}


async def test_a_change_of_the_setting_forgets_nothing(place: runner_place.Place) -> None:
    """What runs in the other shape goes on and ends there; what nobody knows is seen with its price, and can be deleted."""
    hand = await place.begin(place.sandbox())
    tags = [f"wbx-installation:{runner_place.INSTALLATION}"]
    known = {"size": {"cpu": 2, "memory": 4096}, "region": "nyc2", "source": {"oci_ref": "x"}}
    place.vendor.microvms["x"] = microvm_emulator.Microvm(
        "x", {"name": "wbx-x", "tags": tags, **known}, "running"
    )
    place.shape = "droplet"
    changed = place.sandbox()
    seen = await changed.observe()
    assert seen.complete
    running, orphan = sorted(seen.objects, key=lambda each: each.name)
    assert (running.state, running.fields["microvm"]) == ("running", ids(place)[0])
    assert orphan.state == "unknown"
    assert orphan.fields == {"microvm": "x", "status": "running", "usd_per_hour": "0.0238"}
    await changed.delete("wbx-x")
    assert "x" not in place.vendor.microvms
    await hand.finish({"state": "exited", "exit_code": 0, "reason": "Exited"}, [])
    assert (await changed.wait(NAME)).reason == "Exited"
    assert place.vendor.microvms == {}


def ids(place: runner_place.Place) -> list[str]:
    """Of the microVMs of the one name."""
    return [each.id for each in place.vendor.of_name(NAME)]


async def test_the_other_shape_stops_nobody(place: runner_place.Place) -> None:
    """An account without microVMs has none; a list that does not answer makes the look incomplete, and nothing else."""
    place.shape = "droplet"
    place.vendor.troubles.closed = True
    sandbox = place.sandbox()
    assert (await sandbox.observe()).complete
    asked = len(place.vendor.asked)
    assert (await sandbox.observe()).complete
    assert [each for each in place.vendor.asked[asked:] if "microvms" in each] == []
    place.vendor.troubles.closed = False
    other = place.sandbox(timeout=60.0)

    async def away() -> list[Any]:
        raise errors.Waiting("not now", reason="ProviderUnavailable")

    other._api._other.all = away  # type: ignore[method-assign]
    seen = await other.observe()
    assert (seen.complete, seen.objects) == (False, ())
    with pytest.raises(errors.Waiting):
        await other.delete("wbx-nobody-knows")


async def test_a_port_or_a_gpu_is_refused(place: runner_place.Place) -> None:
    """Before a machine is asked for, with the reason."""
    assert not place.sandbox().capabilities.gpu
    for more in ({"gpu": 1}, {"ports": (8000,)}):
        with pytest.raises(errors.Stalled):
            await place.sandbox().create(order(**more))
    assert place.vendor.microvms == {}
