"""Droplets through the vendor's own client: what each fault of the API means, verb by verb."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import droplet_emulator
import pytest

from workbenchx import errors, ports
from workbenchx.providers.sandbox.do_runner import account, droplets, names, settings

INSTALLATION = "11111111-2222-3333-4444-555555555555"
NAME = "wbx-11111111-22222222-1"
BODY: dict[str, Any] = {
    "name": NAME,
    "region": "nyc2",
    "size": "s-2vcpu-4gb",
    "image": "ubuntu-24-04-x64",
    "tags": names.tags(INSTALLATION, "aa", {"wbx-resource": "r1", "note": "not: a tag"}),
}


@pytest.fixture
def vendor() -> Iterator[droplet_emulator.Emulator]:
    """An account of its own."""
    emulator = droplet_emulator.Emulator()
    emulator.start()
    yield emulator
    emulator.stop()


@contextlib.asynccontextmanager
async def client(
    vendor: droplet_emulator.Emulator, token: str = droplet_emulator.TOKEN, **more: Any
) -> AsyncIterator[droplets.Droplets]:
    """Our client of it."""
    document = {"region": "nyc2", "size": "s-2vcpu-4gb", "endpoint": vendor.url, **more}
    of = account.Account(settings.read(document), lambda: token)
    try:
        yield droplets.Droplets(of, INSTALLATION)
    finally:
        await of.close()


async def test_a_droplet_is_made_found_and_destroyed(vendor: droplet_emulator.Emulator) -> None:
    """It is listed by our tag, found by its name, and destroyed once or twice with the same outcome."""
    async with client(vendor) as api:
        made = await api.create(BODY)
        assert list(await api.all()) == [made["id"]]
        assert [each["id"] for each in await api.named(NAME)] == [made["id"]]
        found = await api.get(made["id"])
        assert found is not None
        assert names.read(found["tags"])["wbx-resource"] == "r1"
        await api.destroy(made["id"])
        await api.destroy(made["id"])
        assert await api.get(made["id"]) is None
        assert await api.all() == {}


async def test_both_lists_are_merged(vendor: droplet_emulator.Emulator) -> None:
    """GPU droplets, which the list by tag leaves out, are seen; those of others are not; every page is read."""
    async with client(vendor) as api:
        for number in range(205):
            await api.create({**BODY, "name": f"wbx-{number}"})
        gpu = await api.create({**BODY, "size": "gpu-l40sx1-48gb", "image": "gpu-h100x1-base"})
        await api.create({**BODY, "size": "gpu-l40sx1-48gb", "tags": ["wbx-installation:other"]})
        found = await api.all()
    assert len(found) == 206
    assert gpu["id"] in found


FAULTS: dict[str, tuple[dict[str, Any], type[errors.WorkbenchError], str]] = {
    "busy": ({"busy": 1}, errors.Waiting, "RateLimited"),
    "busy without saying when": ({"busy": 1, "says_when": False}, errors.Waiting, "RateLimited"),
    "broken": ({"broken": 1}, errors.Waiting, "ProviderUnavailable"),
    "expired token": ({"expired": True}, errors.Stalled, "ProviderUnavailable"),
    "slow": ({"slow": 3600.0}, errors.Waiting, "ProviderUnavailable"),
}
VERBS = ("list", "get", "create", "destroy")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_says_what_to_do_next(
    vendor: droplet_emulator.Emulator, verb: str, fault: str
) -> None:
    """Whatever the verb: time must pass, or a person must act; the request was sent once, and nothing was made by it."""
    async with client(vendor) as api:
        made = await api.create(BODY)
    asked = len(vendor.asked)
    switched, kind, reason = FAULTS[fault]
    for name, value in switched.items():
        setattr(vendor.faults, name, value)
    async with client(vendor, timeout=1.0 if fault == "slow" else 60.0) as api:
        calls: dict[str, Callable[[], Awaitable[Any]]] = {
            "list": api.all,
            "get": lambda: api.get(made["id"]),
            "create": lambda: api.create(BODY),
            "destroy": lambda: api.destroy(made["id"]),
        }
        with pytest.raises(kind) as told:
            await calls[verb]()
    assert told.value.reason == reason
    assert droplet_emulator.TOKEN not in str(told.value)
    assert len(vendor.asked) - asked in ({0, 1} if fault == "slow" else {1})
    assert list(vendor.droplets) == [made["id"]]


async def test_the_vendor_says_when(vendor: droplet_emulator.Emulator) -> None:
    """Retry-After of a burst is obeyed; without one, the end of the hour's limit."""
    async with client(vendor) as api:
        vendor.faults.busy = 2
        with pytest.raises(errors.Waiting) as burst:
            await api.all()
        vendor.faults.says_when = False
        with pytest.raises(errors.Waiting) as hour:
            await api.all()
    assert burst.value.retry_after == 7
    assert 60 < hour.value.retry_after <= 3600


async def test_a_create_in_doubt_is_sent_once(vendor: droplet_emulator.Emulator) -> None:
    """An answer of 503 after the droplet was made leaves one droplet, which a list finds."""
    vendor.faults.lost = 1
    async with client(vendor) as api:
        with pytest.raises(errors.Waiting):
            await api.create(BODY)
        assert len(await api.named(NAME)) == 1


async def test_no_answer_leaves_one_droplet(vendor: droplet_emulator.Emulator) -> None:
    """A create that is never answered is given up after the time-out, and was sent once."""
    vendor.faults.silent = 1
    async with client(vendor, timeout=5.0) as api:
        while not vendor.droplets:
            with pytest.raises(errors.Waiting):
                await api.create(BODY)
    async with client(vendor) as api:
        assert len(await api.named(NAME)) == 1


@pytest.mark.parametrize(
    ("change", "full", "kind"),
    [
        ({}, True, errors.Waiting),
        ({"size": "s-999vcpu-1gb"}, False, errors.Stalled),
        ({"name": "not a name"}, False, errors.Stalled),
    ],
)
async def test_no_room_passes_and_nonsense_stays(
    vendor: droplet_emulator.Emulator, change: dict[str, Any], full: bool, kind: type[Exception]
) -> None:
    """422 is waited for where it is about room, and needs a person where it is about the order."""
    vendor.faults.full = full
    async with client(vendor) as api:
        with pytest.raises(kind):
            await api.create({**BODY, **change})
    assert vendor.droplets == {}


async def test_nobody_is_reached(vendor: droplet_emulator.Emulator) -> None:
    """A connection that is refused passes."""
    async with client(vendor) as api:
        vendor.stop()
        with pytest.raises(errors.Waiting):
            await api.all()


def test_the_first_size_that_is_large_enough() -> None:
    """GPU machines are for those who ask for GPUs; what no machine holds is refused with the way out."""
    chosen = settings.read(
        {
            "region": "nyc2",
            "size": "s-2vcpu-4gb",
            "sizes": ["s-8vcpu-16gb", "gpu-l40sx1-48gb", "gpu-h100x8-640gb"],
        }
    )

    def ask(cpu: float = 1, gib: int = 1, gpu: int = 0) -> ports.SandboxSpec:
        return ports.SandboxSpec(
            "n", {}, "execution", "i", cpu=cpu, memory=gib << 30, gpu=gpu, command=("x",)
        )

    assert chosen.size(ask()) == "s-2vcpu-4gb"
    assert chosen.size(ask(gib=8)) == "s-8vcpu-16gb"
    assert chosen.size(ask(gpu=1)) == "gpu-l40sx1-48gb"
    assert chosen.size(ask(gpu=2)) == "gpu-h100x8-640gb"
    with pytest.raises(errors.Stalled, match=r"settings\.sizes"):
        chosen.size(ask(cpu=64))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"region": "nyc2"},
        {"region": "nyc2", "size": "s", "colour": "red"},
        {"region": "nyc2", "size": "s", "endpoint": "http://example.org"},
    ],
)
def test_settings_are_checked(document: dict[str, Any]) -> None:
    """What is missing, not known, or would show the token to everybody is refused."""
    with pytest.raises(errors.Stalled, match="do_runner"):
        settings.read(document)
