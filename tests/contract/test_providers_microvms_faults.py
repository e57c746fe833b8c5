"""The `do_runner` adapter with microVMs on the vendor's bad days. Runners are played by hand here."""

import asyncio
from typing import Any

import microvm_emulator
import providers_sandbox
import pytest
import runner_place
from runner_fixtures import database, place, server, store

from workbenchx import errors

__all__ = ["database", "place", "server", "store"]

NAME, order = runner_place.NAME, runner_place.order


@pytest.fixture
def shape() -> str:
    """Of its machines."""
    return "microvm"


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
