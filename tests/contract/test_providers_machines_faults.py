"""The `do_runner` adapter on the vendor's bad days, with machines of either shape. Runners are played by hand here."""

import asyncio
import contextlib
import dataclasses
import datetime
import inspect
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import blobs
import machine_shapes
import providers_sandbox
import pytest
import runner_place
from runner_fixtures import database, place, server, store

from workbenchx import errors, ports
from workbenchx.providers.sandbox.do_runner import adapter
from workbenchx.store import runners

__all__ = ["database", "place", "server", "store"]

NAME, order = runner_place.NAME, runner_place.order
Place = runner_place.Place
SHAPES = machine_shapes.SHAPES


@pytest.fixture(params=list(SHAPES))
def shape(request: pytest.FixtureRequest) -> str:
    """Each of them."""
    return str(request.param)


Verb = Callable[[adapter.DropletSandbox], Awaitable[Any]]
# What a person must act on, what passes, and what needs no vendor.
STALLED, WAITING, FINE = "Stalled", "Waiting", "fine"
ASKS = {"busy": WAITING, "broken": WAITING, "expired": STALLED, "slow": WAITING}
ASKS_NOBODY = dict.fromkeys(ASKS, FINE)
SHOWS_ITS_TOKEN = ASKS_NOBODY | {"expired": STALLED}


OF_THE_LIVING: dict[str, tuple[Verb, dict[str, str]]] = {
    "observe": (lambda it: it.observe(), ASKS | {"closed": STALLED}),
    "status": (lambda it: it.status(NAME), SHOWS_ITS_TOKEN | {"executes_not": FINE}),
    "read_log": (lambda it: it.read_log(NAME, 0), ASKS_NOBODY),
    "extend": (lambda it: it.extend(NAME, datetime.datetime.now(datetime.UTC)), ASKS_NOBODY),
    "start again": (lambda it: it.start(NAME, {}), ASKS_NOBODY),
    "create again": (lambda it: it.create(order()), ASKS_NOBODY | {"full": FINE}),
    "create another": (
        lambda it: it.create(dataclasses.replace(order(), name="wbx-other")),
        ASKS | {"full": WAITING, "quota": WAITING},
    ),
    "delete": (lambda it: it.delete(NAME), ASKS | {"closed": STALLED}),
}
"""Each verb, and what comes of it under a fault."""
OF_ITS_MACHINE = ("archive", "execute", "read_file")
TO_THE_END = ("follow_log", "wait", "stop")
FAULTS = list(dict.fromkeys(fault for _, told in OF_THE_LIVING.values() for fault in told))
ONLY = {fault for shape in SHAPES.values() for fault in shape.faults}
TABLE = [
    (shape.name, fault)
    for shape in SHAPES.values()
    for fault in FAULTS
    if fault in shape.faults or fault not in ONLY
]


def test_every_verb_of_the_port_is_in_a_table() -> None:
    """The price alone is told without anybody."""
    verbs = {name for name, _ in inspect.getmembers(ports.SandboxProvider, inspect.isfunction)}
    asked = {each.partition(" ")[0] for each in (*OF_THE_LIVING, *OF_ITS_MACHINE, *TO_THE_END)}
    assert asked == {each for each in verbs if not each.startswith("_")} - {"price"}


@pytest.mark.parametrize(("shape", "fault"), TABLE)
async def test_the_verbs_under_a_fault(place: Place, fault: str) -> None:
    """Each waits, needs a person, or goes on without the vendor; afterwards the same verb succeeds, and nothing was lost."""
    await place.begin(place.sandbox())
    told = {verb: told[fault] for verb, (_, told) in OF_THE_LIVING.items() if fault in told}
    seen = {}
    for verb in told:
        call, _ = OF_THE_LIVING[verb]
        machine_shapes.misbehave(place.vendor, **machine_shapes.SWITCHES[fault])
        timeout = machine_shapes.patience(fault)
        seen[verb] = await _outcome(call, place.sandbox(timeout=timeout))
        machine_shapes.behave(place.vendor)
        assert [each.body["name"] for each in place.machines.values()] == [NAME], verb
        row = await place.store.runner(NAME)
        assert row is not None
        assert row.state == "running", verb
        if verb != "create another":
            await call(place.sandbox())
    assert seen == told
    assert len(place.machines) == (0 if "delete" in told else 1)


@pytest.mark.parametrize("fault", ASKS)
async def test_an_end_under_a_fault(place: Place, fault: str) -> None:
    """Output, files and what a command beside it says come, and who waits or stops hears of the end; afterwards all do, and the machine is gone."""
    hand = await place.begin(place.sandbox())
    await hand.logs(0, b"hello")
    machine_shapes.misbehave(place.vendor, **machine_shapes.SWITCHES[fault])
    timeout = machine_shapes.patience(fault)
    seen = {"follow_log": await _outcome(_hello, place.sandbox(timeout=timeout))}
    for verb, call in {"archive": _saved, "execute": _executed, "read_file": _one}.items():
        machine_shapes.misbehave(place.vendor, **machine_shapes.SWITCHES[fault])
        asking = asyncio.create_task(_outcome(call, place.sandbox(timeout=timeout)))
        await _answer(place, hand, asking)
        seen[verb] = await asking
    machine_shapes.misbehave(place.vendor, **machine_shapes.SWITCHES[fault])
    ends = {
        "wait": asyncio.create_task(_outcome(_waited, place.sandbox(timeout=timeout))),
        "stop": asyncio.create_task(_outcome(_stopped, place.sandbox(timeout=timeout))),
    }
    await _stop(hand)
    seen |= {verb: await asking for verb, asking in ends.items()}
    told = dict.fromkeys((*OF_ITS_MACHINE, *TO_THE_END), SHOWS_ITS_TOKEN[fault])
    assert seen == told | {"follow_log": FINE}
    machine_shapes.behave(place.vendor)
    for call in (_waited, _stopped):
        assert await _outcome(call, place.sandbox()) == FINE
    assert await runner_place.output(place.sandbox()) == b"hello"
    assert place.machines == {}


async def _hello(sandbox: adapter.DropletSandbox) -> None:
    async with contextlib.aclosing(sandbox.follow_log(NAME)) as stream:
        assert await anext(stream) == b"hello"


async def _saved(sandbox: adapter.DropletSandbox) -> None:
    assert b"".join([data async for data in sandbox.archive(NAME)]) == b"a tar"


async def _executed(sandbox: adapter.DropletSandbox) -> None:
    done = await sandbox.execute(NAME, f"k-{secrets.token_hex(4)}", ["true"], seconds=60)
    assert done.exit_code == 0


async def _one(sandbox: adapter.DropletSandbox) -> None:
    assert [data async for data in sandbox.read_file(NAME, "any")] == [b"x"]


async def _waited(sandbox: adapter.DropletSandbox) -> None:
    assert (await sandbox.wait(NAME)).reason == "Cancelled"


async def _stopped(sandbox: adapter.DropletSandbox) -> None:
    found = await sandbox.stop(NAME)
    assert found is not None
    assert found.reason == "Cancelled"


async def _answer(place: Place, hand: runners.Called, asking: asyncio.Task[str]) -> None:
    """As the runner that is asked for its folder, for a file, or to run a command."""
    digest = (await place.storage.put(blobs.stream(b"a tar"))).sha256
    while not asking.done():
        for each in (await hand.heartbeat("running"))["requests"]:
            told = {"reason": "Exited", "exit_code": 0, "output": "", "data": "eA=="}
            if each["op"] == "archive":
                wish = f".wbx-request/{each['key']}"
                signed = await hand.upload(wish, digest, 5)
                if signed is None:
                    continue
                proof = runner_place.proof("true", signed["challenge"], b"a tar", digest)
                await hand.prove(wish, proof)
                told = {"sha256": digest}
            await hand.answer(each["key"], told)
        await asyncio.sleep(0.05)


async def _stop(hand: runners.Called) -> None:
    """As the runner that is told to stop."""
    async with asyncio.timeout(120):
        while not (await hand.heartbeat("running"))["stop"]:
            await asyncio.sleep(0.05)
    await hand.finish({"state": "exited", "exit_code": None, "reason": "Cancelled"}, [])


async def _outcome(call: Verb, sandbox: adapter.DropletSandbox) -> str:
    try:
        await call(sandbox)
    except errors.WorkbenchError as problem:
        return type(problem).__name__
    return FINE


async def test_a_create_in_doubt_is_adopted(place: Place) -> None:
    """503 after the machine was made, and then no answer at all: asked again it is found, and there is one."""
    for fault in ("lost", "silent"):
        machine_shapes.misbehave(place.vendor, **{fault: 1})
        sandbox = place.sandbox(timeout=5.0 if fault == "silent" else 60.0)
        while not place.asked:
            with pytest.raises(errors.Waiting):
                await sandbox.create(order())
        making = asyncio.create_task(place.sandbox().create(order()))
        await place.stage()
        assert (await making).state == "created"
        assert len(place.machines) == 1
        assert place.asked == 1
        await place.sandbox().delete(NAME)
        assert place.machines == {}
        place.vendor.asked.clear()


async def test_one_that_is_never_made_is_waited_for(place: Place) -> None:
    """It never becomes active: `create` says so, again and again, and makes no other one; it can be stopped and deleted."""
    place.vendor.faults.stuck = True
    sandbox = place.sandbox(patience=1.0)
    for _ in range(2):
        with pytest.raises(errors.Waiting, match="its runner does not answer yet"):
            await sandbox.create(order())
    assert len(place.machines) == 1
    assert await sandbox.status(NAME) is None
    await sandbox.stop(NAME)
    await sandbox.delete(NAME)
    assert place.machines == {}


ENDS = [
    *(("droplet", end) for end in ("gone", "off", "silent")),
    *(("microvm", end) for end in ("gone", "failed", "silent")),
]


@pytest.mark.parametrize(("shape", "end"), ENDS)
async def test_a_machine_that_dies_is_lost(place: Place, end: str) -> None:
    """Destroyed by somebody, powered off, failed, or silent for too long: Lost, never started again, and no longer paid for."""
    sandbox = place.sandbox(silence=0.2 if end == "silent" else 3600.0)
    await place.begin(sandbox)
    machine = place.one()
    if end == "gone":
        place.machines.clear()
    elif end == "off":
        machine.off = True
    elif end == "failed":
        machine.state, machine.why = "failed", "The host is gone."

    async def over() -> bool:
        found = await sandbox.status(NAME)
        return found is not None and found.state == "exited"

    await providers_sandbox.until(over, seconds=120)
    found = await sandbox.wait(NAME)
    assert found.reason == "Lost"
    assert ("The host is gone." in found.message) == (end == "failed")
    assert (await sandbox.start(NAME, {})).state == "exited"
    assert place.machines == {}


async def test_what_never_reports_ends_at_its_deadline(place: Place) -> None:
    """Past its deadline and the grace a worker concludes: DeadlineExceeded, and the machine is destroyed; a paused one is not woken for it."""
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=3)
    await place.begin(place.sandbox(grace=3600.0), order(deadline=past))
    if place.shape == "microvm":
        place.vendor.pause(place.one())
    found = await place.sandbox(grace=1.0).status(NAME)
    assert found is not None
    assert (found.state, found.reason) == ("exited", "DeadlineExceeded")
    assert place.machines == {}


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("droplet", {"ports": (8080,)}, "opens no ports"),
    ("droplet", {"image": "python:3.12"}, "not pinned"),
    ("droplet", {"cpu": 64.0}, "large enough"),
    ("droplet", {"files": (ports.StagedFile("x", "0" * 64),)}, "artifact"),
    ("microvm", {"ports": (8080,)}, "opens no ports"),
    ("microvm", {"gpu": 1}, "large enough"),
]


@pytest.mark.parametrize(("shape", "more", "told"), REFUSED)
async def test_what_cannot_be_leaves_nothing(place: Place, more: dict[str, Any], told: str) -> None:
    """Refused with the reason before a machine is asked for; no row stays."""
    sandbox = place.sandbox()
    assert sandbox.capabilities.gpu == (place.shape == "droplet")
    spec = dataclasses.replace(order(), **more)
    with pytest.raises(errors.Stalled, match=told):
        await sandbox.create(spec)
    assert await place.store.runners() == []
    assert place.asked == 0
