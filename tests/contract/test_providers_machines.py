"""Machines of both shapes through the vendor's own client: what each fault of the API means, verb by verb; and what microVMs alone have."""

import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import droplet_emulator
import machine_shapes
import microvm_emulator
import pytest
from pydo import operations

from workbenchx import errors, ports
from workbenchx.providers.sandbox.do_runner import account, microvms, names, settings, shapes

SHAPES, NAME = machine_shapes.SHAPES, machine_shapes.NAME
DROPLET, MICROVM = SHAPES["droplet"], SHAPES["microvm"]


@pytest.fixture
def vendor() -> Iterator[microvm_emulator.Emulator]:
    """An account of its own."""
    emulator = microvm_emulator.Emulator()
    emulator.start()
    yield emulator
    emulator.stop()


@pytest.fixture(params=list(SHAPES))
def shape(request: pytest.FixtureRequest) -> machine_shapes.Shape:
    """Each of them."""
    return SHAPES[request.param]


async def test_one_is_made_found_and_destroyed(
    vendor: microvm_emulator.Emulator, shape: machine_shapes.Shape
) -> None:
    """It is listed by our tag, found by its name, and destroyed once or twice with the same outcome."""
    async with shape.opened(vendor) as api:
        made = await api.create(shape.body)
        assert list(await api.all()) == [made["id"]]
        assert [each["id"] for each in await api.named(NAME)] == [made["id"]]
        found = await api.get(made["id"])
        assert found is not None
        assert names.read(found["tags"])["wbx-resource"] == "r1"
        await api.destroy(made["id"])
        await api.destroy(made["id"])
        assert await api.get(made["id"]) is None
        assert await api.all() == {}


async def test_both_lists_of_droplets_are_merged(vendor: microvm_emulator.Emulator) -> None:
    """GPU droplets, which the list by tag leaves out, are seen; those of others are not; every page is read."""
    body = DROPLET.body
    async with DROPLET.opened(vendor) as api:
        for number in range(205):
            await api.create({**body, "name": f"wbx-{number}"})
        gpu = await api.create({**body, "size": "gpu-l40sx1-48gb", "image": "gpu-h100x1-base"})
        await api.create({**body, "size": "gpu-l40sx1-48gb", "tags": ["wbx-installation:other"]})
        found = await api.all()
    assert len(found) == 206
    assert gpu["id"] in found


FAULTS: dict[str, tuple[type[errors.WorkbenchError], str]] = {
    "busy": (errors.Waiting, "RateLimited"),
    "busy without saying when": (errors.Waiting, "RateLimited"),
    "broken": (errors.Waiting, "ProviderUnavailable"),
    "expired": (errors.Stalled, "ProviderUnavailable"),
    "slow": (errors.Waiting, "ProviderUnavailable"),
}
VERBS: dict[str, Callable[[Any, Any, dict[str, Any]], Awaitable[Any]]] = {
    "list": lambda api, *_: api.all(),
    "get": lambda api, made, _: api.get(made),
    "create": lambda api, _, body: api.create(body),
    "destroy": lambda api, made, _: api.destroy(made),
    "pause": lambda api, made, _: api.pause(made),
    "resume": lambda api, made, _: api.resume(made),
    "run": lambda api, made, _: api.run(made, ["true"]),
    "options": lambda api, *_: api.options(),
}
TABLE = [
    (shape, verb)
    for shape in SHAPES.values()
    for verb in (list(VERBS)[:4] if shape is DROPLET else VERBS)
]


@pytest.mark.parametrize(("shape", "verb"), TABLE, ids=lambda each: getattr(each, "name", each))
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_says_what_to_do_next(
    vendor: microvm_emulator.Emulator, shape: machine_shapes.Shape, verb: str, fault: str
) -> None:
    """Whatever the verb: time must pass, or a person must act; the request was sent once, and nothing was made by it."""
    async with shape.opened(vendor) as api:
        made = await api.create(shape.body)
    asked = len(vendor.asked)
    machine_shapes.misbehave(vendor, **machine_shapes.SWITCHES[fault])
    kind, reason = FAULTS[fault]
    async with shape.opened(vendor, timeout=machine_shapes.patience(fault)) as api:
        with pytest.raises(kind) as told:
            await VERBS[verb](api, made["id"], dict(shape.body))
    assert told.value.reason == reason
    assert droplet_emulator.TOKEN not in str(told.value)
    assert len(vendor.asked) - asked in ({0, 1} if fault == "slow" else {1})
    assert list(shape.machines(vendor)) == [made["id"]]


async def test_the_vendor_says_when(
    vendor: microvm_emulator.Emulator, shape: machine_shapes.Shape
) -> None:
    """Retry-After of a burst is obeyed; without one, the end of the hour's limit."""
    async with shape.opened(vendor) as api:
        vendor.faults.busy = 2
        with pytest.raises(errors.Waiting) as burst:
            await api.all()
        vendor.faults.says_when = False
        with pytest.raises(errors.Waiting) as hour:
            await api.all()
    assert burst.value.retry_after == 7
    assert 60 < hour.value.retry_after <= 3600


async def test_a_create_in_doubt_is_sent_once(
    vendor: microvm_emulator.Emulator, shape: machine_shapes.Shape
) -> None:
    """An answer of 503 after the machine was made leaves one machine, which a list finds."""
    vendor.faults.lost = 1
    async with shape.opened(vendor) as api:
        with pytest.raises(errors.Waiting):
            await api.create(shape.body)
        assert len(await api.named(NAME)) == 1


async def test_no_answer_leaves_one_machine(
    vendor: microvm_emulator.Emulator, shape: machine_shapes.Shape
) -> None:
    """A create that is never answered is given up after the time-out, and was sent once."""
    vendor.faults.silent = 1
    async with shape.opened(vendor, timeout=5.0) as api:
        while not shape.machines(vendor):
            with pytest.raises(errors.Waiting):
                await api.create(shape.body)
    async with shape.opened(vendor) as api:
        assert len(await api.named(NAME)) == 1


@pytest.mark.parametrize(
    ("shape", "change", "switches", "kind"),
    [
        (DROPLET, {}, {"full": True}, errors.Waiting),
        (DROPLET, {"size": "s-999vcpu-1gb"}, {}, errors.Stalled),
        (DROPLET, {"name": "not a name"}, {}, errors.Stalled),
        (MICROVM, {}, {"full": True}, errors.Waiting),
        (MICROVM, {}, {"quota": "You have reached the limit of MicroVMs."}, errors.Waiting),
        (MICROVM, {}, {"quota": "Your team may not do that."}, errors.Stalled),
        (MICROVM, {}, {"closed": True}, errors.Stalled),
        (MICROVM, {"name": "Not a name"}, {}, errors.Stalled),
        (MICROVM, {"size": {"cpu": 3, "memory": 1}}, {}, errors.Stalled),
    ],
)
async def test_no_room_passes_and_nonsense_stays(
    vendor: microvm_emulator.Emulator,
    shape: machine_shapes.Shape,
    change: dict[str, Any],
    switches: dict[str, Any],
    kind: type[errors.WorkbenchError],
) -> None:
    """400, 403, 404 and 422 are waited for where they are about room, and need a person otherwise; nothing was made."""
    machine_shapes.misbehave(vendor, **switches)
    async with shape.opened(vendor) as api:
        with pytest.raises(kind) as told:
            await api.create({**shape.body, **change})
    assert account.surely_not(told.value)
    assert shape.machines(vendor) == {}


async def test_nobody_is_reached(
    vendor: microvm_emulator.Emulator, shape: machine_shapes.Shape
) -> None:
    """A connection that is refused passes."""
    async with shape.opened(vendor) as api:
        vendor.stop()
        with pytest.raises(errors.Waiting):
            await api.all()


LARGER = ["s-8vcpu-16gb", "gpu-l40sx1-48gb", "gpu-h100x8-640gb"]
SIZES: list[tuple[machine_shapes.Shape, dict[str, Any], list[tuple[dict[str, float], str]]]] = [
    (
        DROPLET,
        {"sizes": LARGER},
        [
            ({}, "s-2vcpu-4gb"),
            ({"mib": 8192}, "s-8vcpu-16gb"),
            ({"gpu": 1}, "gpu-l40sx1-48gb"),
            ({"gpu": 2}, "gpu-h100x8-640gb"),
            ({"cpu": 64}, ""),
        ],
    ),
    (
        MICROVM,
        {"size": "1vcpu-512mb", "sizes": ["2vcpu-4gb"]},
        [
            ({"mib": 512}, "1vcpu-512mb"),
            ({"mib": 513}, "2vcpu-4gb"),
            ({"mib": 8192}, ""),
            ({"mib": 512, "gpu": 1}, ""),
        ],
    ),
]


@pytest.mark.parametrize(("shape", "more", "asks"), SIZES)
def test_the_first_size_that_is_large_enough(
    shape: machine_shapes.Shape, more: dict[str, Any], asks: list[tuple[dict[str, float], str]]
) -> None:
    """By processors and memory; GPU machines are for those who ask for GPUs; what none holds is refused with the way out."""
    chosen = settings.read({**shape.settings, **more})
    for asked, size in asks:
        spec = ports.SandboxSpec(
            "n",
            {},
            "execution",
            "i",
            cpu=asked.get("cpu", 1),
            memory=int(asked.get("mib", 1024)) << 20,
            gpu=int(asked.get("gpu", 0)),
            command=("x",),
        )
        if size:
            assert chosen.size(spec) == size
        else:
            with pytest.raises(errors.Stalled, match=r"settings\.sizes"):
                chosen.size(spec)


@pytest.mark.parametrize(
    ("shape", "change", "told"),
    [
        (DROPLET, {"region": None, "size": None}, "do_runner"),
        (DROPLET, {"size": None}, "do_runner"),
        (DROPLET, {"colour": "red"}, "do_runner"),
        (DROPLET, {"endpoint": "http://example.org"}, "do_runner"),
        (MICROVM, {"shape": "toaster"}, "must be one of: droplet, microvm"),
        (MICROVM, {"image": None}, "--target runner"),
        (MICROVM, {"size": "s-2vcpu-4gb"}, "written like 2vcpu-4gb"),
        (MICROVM, {"sshKeys": ["k"]}, "of droplets"),
        (MICROVM, {"pauseAfter": 5}, "30 to 14400"),
    ],
)
def test_settings_are_checked(
    shape: machine_shapes.Shape, change: dict[str, Any], told: str
) -> None:
    """What is missing, not known, what no such machine could have, or would show the token to everybody is refused."""
    document = {
        name: value for name, value in {**shape.settings, **change}.items() if value is not None
    }
    with pytest.raises(errors.Stalled, match=told):
        settings.read(document)


async def runs(api: microvms.Microvms, microvm: str) -> None:
    """Look until it does."""
    while (await api.get(microvm) or {})["state"] != "running":
        pass


async def test_one_pauses_goes_on_and_runs_a_command(vendor: microvm_emulator.Emulator) -> None:
    """As long as it is there; afterwards a command is nobody's."""
    async with MICROVM.opened(vendor) as api:
        made = await api.create(MICROVM.body)
        await runs(api, made["id"])
        await api.pause(made["id"])
        assert (await api.get(made["id"]) or {})["state"] == "paused"
        await api.resume(made["id"])
        assert (await api.run(made["id"], ["true"]) or {})["exit_code"] == 0
        await api.destroy(made["id"])
        assert await api.run(made["id"], ["true"]) is None


@pytest.mark.parametrize("tired", [True, False])
async def test_every_page_is_read(vendor: microvm_emulator.Emulator, *, tired: bool) -> None:
    """With and without a total; those of others, and what is terminated and still listed, are left out."""
    vendor.troubles = microvm_emulator.Troubles(tired=tired, terminates=True)
    async with MICROVM.opened(vendor) as api:
        for number in range(50):
            await api.create({**MICROVM.body, "name": f"wbx-{number}"})
        ended = await api.create({**MICROVM.body, "name": "wbx-ended"})
        await api.create({**MICROVM.body, "name": "wbx-other", "tags": ["wbx-installation:other"]})
        await api.destroy(ended["id"])
        assert len(await api.all()) == 50
        assert await api.get(ended["id"]) is None


async def test_a_name_that_is_taken(vendor: microvm_emulator.Emulator) -> None:
    """409 answers the one of ours that has it; another's is a conflict, and in another region it is free."""
    async with MICROVM.opened(vendor) as api:
        made = await api.create(MICROVM.body)
        assert (await api.create(MICROVM.body))["id"] == made["id"]
        assert (await api.create({**MICROVM.body, "region": "tor1"}))["id"] != made["id"]
        await api.create({**MICROVM.body, "name": "theirs", "tags": ["team"]})
        with pytest.raises(errors.Conflict) as told:
            await api.create({**MICROVM.body, "name": "theirs"})
    assert told.value.reason == "NameTaken"


async def test_what_cannot_be_done_now(vendor: microvm_emulator.Emulator) -> None:
    """A command where nothing runs is refused, one that the vendor could not run passes."""
    async with MICROVM.opened(vendor) as api:
        made = await api.create(MICROVM.body)
        with pytest.raises(errors.Stalled):
            await api.run(made["id"], ["true"])
        await runs(api, made["id"])
        vendor.troubles.executes_not = 1
        with pytest.raises(errors.Waiting):
            await api.run(made["id"], ["true"])


async def test_prices_are_those_of_the_vendor(vendor: microvm_emulator.Emulator) -> None:
    """By the hour of running, for each size."""
    async with MICROVM.opened(vendor) as api:
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
    async with MICROVM.opened(vendor) as api:
        made = await api.create(MICROVM.body)
        await runs(api, made["id"])
        answers: dict[str, Callable[[], Awaitable[Any]]] = {
            "list": lambda: api._ask(lambda it, **how: it.microvms.list(**how)),
            "create": lambda: api.create({**MICROVM.body, "name": "wbx-2"}),
            "get": lambda: api.get(made["id"]),
            "post_pause": lambda: api.get(made["id"]),
            "run_command": lambda: api.run(made["id"], ["true"]),
            "get_options": api.options,
        }
        found = await answers[verb]()
    known = set(re.findall(r'"(\w+)":', answer))
    assert words(found) - known <= {"microvm"}
    if verb == "create":
        assert set(MICROVM.body) <= set(re.findall(r'"(\w+)":', request))


def words(found: Any) -> set[str]:
    """The names in a document, at any depth."""
    if isinstance(found, list):
        return {each for part in found for each in words(part)}
    if not isinstance(found, dict):
        return set()
    return set(found) | {each for part in found.values() for each in words(part)}
