"""MicroVMs through the vendor's own client: what each answer means, verb by verb, and that ours are those it documents."""

import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import droplet_emulator
import microvm_emulator
import pytest
from pydo import operations

from workbenchx import errors, ports
from workbenchx.providers.sandbox.do_runner import account, microvms, names, settings, shapes

INSTALLATION = "11111111-2222-3333-4444-555555555555"
NAME = "wbx-11111111-22222222-1"
DOCUMENT: dict[str, Any] = {
    "shape": "microvm",
    "region": "nyc2",
    "size": "2vcpu-4gb",
    "image": "team/wbx-runner@sha256:" + "2" * 64,
}
BODY: dict[str, Any] = {
    "name": NAME,
    "region": "nyc2",
    "size": {"cpu": 2, "memory": 4096},
    "source": {"oci_ref": DOCUMENT["image"]},
    "environment": {"WBX_RUNNER": "{}"},
    "auto_pause": {"enabled": True, "idle_timeout": "14400s"},
    "tags": names.tags(INSTALLATION, "aa", {"wbx-resource": "r1"}),
}


@pytest.fixture
def vendor() -> Iterator[microvm_emulator.Emulator]:
    """An account of its own."""
    emulator = microvm_emulator.Emulator()
    emulator.start()
    yield emulator
    emulator.stop()


@contextlib.asynccontextmanager
async def client(
    vendor: microvm_emulator.Emulator, token: str = droplet_emulator.TOKEN, **more: Any
) -> AsyncIterator[microvms.Microvms]:
    """Our client of it."""
    chosen = settings.read({**DOCUMENT, "endpoint": vendor.url, **more})
    of = account.Account(chosen, lambda: token)
    try:
        yield microvms.Microvms(of, INSTALLATION)
    finally:
        await of.close()


async def runs(api: microvms.Microvms, microvm: str) -> None:
    """Look until it does."""
    while (await api.get(microvm) or {})["state"] != "running":
        pass


async def test_a_microvm_lives(vendor: microvm_emulator.Emulator) -> None:
    """It is listed by our tag and found by its name, pauses, goes on, runs a command, and is destroyed once or twice."""
    async with client(vendor) as api:
        made = await api.create(BODY)
        assert list(await api.all()) == [made["id"]]
        assert [each["id"] for each in await api.named(NAME)] == [made["id"]]
        assert (await api.get(made["id"]) or {})["state"] == "running"
        await api.pause(made["id"])
        assert (await api.get(made["id"]) or {})["state"] == "paused"
        await api.resume(made["id"])
        assert (await api.run(made["id"], ["true"]) or {})["exit_code"] == 0
        await api.destroy(made["id"])
        await api.destroy(made["id"])
        assert await api.get(made["id"]) is None
        assert await api.run(made["id"], ["true"]) is None
        assert await api.all() == {}


@pytest.mark.parametrize("tired", [True, False])
async def test_every_page_is_read(vendor: microvm_emulator.Emulator, *, tired: bool) -> None:
    """With and without a total; those of others, and what is terminated and still listed, are left out."""
    vendor.troubles = microvm_emulator.Troubles(tired=tired, terminates=True)
    async with client(vendor) as api:
        for number in range(50):
            await api.create({**BODY, "name": f"wbx-{number}"})
        ended = await api.create({**BODY, "name": "wbx-ended"})
        await api.create({**BODY, "name": "wbx-other", "tags": ["wbx-installation:other"]})
        await api.destroy(ended["id"])
        assert len(await api.all()) == 50
        assert await api.get(ended["id"]) is None


async def test_a_name_that_is_taken(vendor: microvm_emulator.Emulator) -> None:
    """409 answers the one of ours that has it; another's is a conflict, and in another region it is free."""
    async with client(vendor) as api:
        made = await api.create(BODY)
        assert (await api.create(BODY))["id"] == made["id"]
        assert (await api.create({**BODY, "region": "tor1"}))["id"] != made["id"]
        await api.create({**BODY, "name": "theirs", "tags": ["team"]})
        with pytest.raises(errors.Conflict) as told:
            await api.create({**BODY, "name": "theirs"})
    assert told.value.reason == "NameTaken"


FAULTS: dict[str, tuple[dict[str, Any], type[errors.WorkbenchError], str]] = {
    "busy": ({"busy": 1}, errors.Waiting, "RateLimited"),
    "busy without saying when": ({"busy": 1, "says_when": False}, errors.Waiting, "RateLimited"),
    "broken": ({"broken": 1}, errors.Waiting, "ProviderUnavailable"),
    "expired token": ({"expired": True}, errors.Stalled, "ProviderUnavailable"),
    "slow": ({"slow": 3600.0}, errors.Waiting, "ProviderUnavailable"),
}
VERBS = ("list", "get", "create", "destroy", "pause", "resume", "run", "options")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_says_what_to_do_next(
    vendor: microvm_emulator.Emulator, verb: str, fault: str
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
            "pause": lambda: api.pause(made["id"]),
            "resume": lambda: api.resume(made["id"]),
            "run": lambda: api.run(made["id"], ["true"]),
            "options": api.options,
        }
        with pytest.raises(kind) as told:
            await calls[verb]()
    assert told.value.reason == reason
    assert droplet_emulator.TOKEN not in str(told.value)
    assert len(vendor.asked) - asked in ({0, 1} if fault == "slow" else {1})
    assert list(vendor.microvms) == [made["id"]]


@pytest.mark.parametrize(
    ("change", "trouble", "full", "kind"),
    [
        ({}, {}, True, errors.Waiting),
        ({}, {"quota": "You have reached the limit of MicroVMs."}, False, errors.Waiting),
        ({}, {"quota": "Your team may not do that."}, False, errors.Stalled),
        ({}, {"closed": True}, False, errors.Stalled),
        ({"name": "Not a name"}, {}, False, errors.Stalled),
        ({"size": {"cpu": 3, "memory": 1}}, {}, False, errors.Stalled),
    ],
)
async def test_no_room_passes_and_nonsense_stays(
    vendor: microvm_emulator.Emulator,
    change: dict[str, Any],
    trouble: dict[str, Any],
    full: bool,
    kind: type[errors.WorkbenchError],
) -> None:
    """400, 403 and 422 are waited for where they are about room, and need a person otherwise; nothing was made."""
    vendor.troubles, vendor.faults.full = microvm_emulator.Troubles(**trouble), full
    async with client(vendor) as api:
        with pytest.raises(kind) as told:
            await api.create({**BODY, **change})
    assert account.surely_not(told.value)
    assert vendor.microvms == {}


async def test_what_cannot_be_done_now(vendor: microvm_emulator.Emulator) -> None:
    """A command where nothing runs is refused, one that the vendor could not run passes."""
    async with client(vendor) as api:
        made = await api.create(BODY)
        with pytest.raises(errors.Stalled):
            await api.run(made["id"], ["true"])
        await runs(api, made["id"])
        vendor.troubles.executes_not = 1
        with pytest.raises(errors.Waiting):
            await api.run(made["id"], ["true"])


async def test_prices_are_those_of_the_vendor(vendor: microvm_emulator.Emulator) -> None:
    """By the hour of running, for each size."""
    async with client(vendor) as api:
        found = shapes.prices(await api.options())
    assert found == {(1, 2048): "0.0119", (2, 4096): "0.0238"}


@pytest.mark.parametrize(
    "verb", ["list", "create", "get", "post_pause", "run_command", "get_options"]
)
async def test_the_emulator_answers_what_is_documented(
    vendor: microvm_emulator.Emulator, verb: str
) -> None:
    """Every name in an answer stands in the client's own description of that answer, and our body in that of the request."""
    described = str(getattr(operations.MicrovmsOperations, verb).__doc__)
    request, _, answer = described.partition("# response body")
    async with client(vendor) as api:
        made = await api.create(BODY)
        await runs(api, made["id"])
        answers: dict[str, Callable[[], Awaitable[Any]]] = {
            "list": lambda: api._ask(lambda it, **how: it.microvms.list(**how)),
            "create": lambda: api.create({**BODY, "name": "wbx-2"}),
            "get": lambda: api.get(made["id"]),
            "post_pause": lambda: api.get(made["id"]),
            "run_command": lambda: api.run(made["id"], ["true"]),
            "get_options": api.options,
        }
        found = await answers[verb]()
    known = set(re.findall(r'"(\w+)":', answer))
    assert words(found) - known <= {"microvm"}
    if verb == "create":
        assert set(BODY) <= set(re.findall(r'"(\w+)":', request))


def words(found: Any) -> set[str]:
    """The names in a document, at any depth."""
    if isinstance(found, list):
        return {each for part in found for each in words(part)}
    if not isinstance(found, dict):
        return set()
    return set(found) | {each for part in found.values() for each in words(part)}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"shape": "toaster"}, "must be one of: droplet, microvm"),
        ({"image": None}, "--target runner"),
        ({"size": "s-2vcpu-4gb"}, "written like 2vcpu-4gb"),
        ({"sshKeys": ["k"]}, "of droplets"),
        ({"pauseAfter": 5}, "30 to 14400"),
    ],
)
def test_settings_of_microvms_are_checked(change: dict[str, Any], told: str) -> None:
    """What no microVM could have is refused with the way out."""
    document = {name: value for name, value in {**DOCUMENT, **change}.items() if value is not None}
    with pytest.raises(errors.Stalled, match=told):
        settings.read(document)


def test_the_first_size_that_is_large_enough() -> None:
    """By processors and memory; a GPU is in none."""
    chosen = settings.read({**DOCUMENT, "size": "1vcpu-512mb", "sizes": ["2vcpu-4gb"]})

    def ask(mib: int, gpu: int = 0) -> str:
        spec = ports.SandboxSpec(
            "n", {}, "execution", "i", memory=mib << 20, gpu=gpu, command=("x",)
        )
        return chosen.size(spec)

    assert (ask(512), ask(513)) == ("1vcpu-512mb", "2vcpu-4gb")
    for mib, gpu in ((8192, 0), (512, 1)):
        with pytest.raises(errors.Stalled, match=r"settings\.sizes"):
            ask(mib, gpu)
