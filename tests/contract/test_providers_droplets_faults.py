"""The `do_runner` adapter on the vendor's bad days: verb by verb, and over whole lives. Runners are played by hand here."""

import asyncio
import contextlib
import dataclasses
import datetime
import inspect
import pathlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import droplet_emulator
import providers_sandbox
import pytest
import runner_place
from store_fixtures import database, server, store

from workbenchx import errors, ports
from workbenchx.providers.sandbox.do_runner import adapter
from workbenchx.providers.sandbox.do_runner.agent import proving
from workbenchx.store import callers, embedded, postgres, runners

__all__ = ["database", "server", "store"]

INSTALLATION, NAME = runner_place.INSTALLATION, runner_place.NAME
CERTIFICATE, order = runner_place.CERTIFICATE, runner_place.order
Place = runner_place.Place
EXITED = {"state": "exited", "exit_code": 0}
CHALLENGE = {"challenge": "ab" * 32}


@pytest.fixture
async def place(
    store: postgres.Postgres, server: embedded.Server, database: str, tmp_path: pathlib.Path
) -> AsyncIterator[Place]:
    """Nothing yet."""
    source = callers.Callers(server.url_for("wbx_api", database))
    async with runner_place.serving(store, source, tmp_path) as made:
        yield made


Verb = Callable[[adapter.DropletSandbox], Awaitable[Any]]
# What a person must act on, what passes, and what needs no vendor.
STALLED, WAITING, FINE = errors.Stalled, errors.Waiting, None


async def _read(sandbox: adapter.DropletSandbox) -> bytes:
    return b"".join([data async for data in sandbox.follow_log(NAME)])


OF_THE_LIVING: dict[str, tuple[Verb, dict[str, type[Exception] | None]]] = {
    "observe": (
        lambda it: it.observe(),
        {"busy": WAITING, "broken": WAITING, "expired": STALLED, "slow": WAITING},
    ),
    "create another": (
        lambda it: it.create(dataclasses.replace(order(), name="wbx-other")),
        {"busy": WAITING, "broken": WAITING, "expired": STALLED, "slow": WAITING, "full": WAITING},
    ),
    "create again": (
        lambda it: it.create(order()),
        {"busy": FINE, "broken": FINE, "expired": FINE, "slow": FINE, "full": FINE},
    ),
    "start again": (
        lambda it: it.start(NAME, {}),
        {"busy": FINE, "broken": FINE, "expired": FINE, "slow": FINE},
    ),
    "status": (
        lambda it: it.status(NAME),
        {"busy": FINE, "broken": FINE, "expired": STALLED, "slow": FINE},
    ),
    "read_log": (
        lambda it: it.read_log(NAME, 0),
        {"busy": FINE, "broken": FINE, "expired": FINE, "slow": FINE},
    ),
    "extend": (
        lambda it: it.extend(NAME, datetime.datetime.now(datetime.UTC)),
        {"busy": FINE, "broken": FINE, "expired": FINE, "slow": FINE},
    ),
    "delete": (
        lambda it: it.delete(NAME),
        {"busy": WAITING, "broken": WAITING, "expired": STALLED, "slow": WAITING},
    ),
}
TABLE = [(verb, fault) for verb, (_, told) in OF_THE_LIVING.items() for fault in told]
SWITCHES: dict[str, dict[str, Any]] = {
    "busy": {"busy": 1},
    "broken": {"broken": 1},
    "expired": {"expired": True},
    "slow": {"slow": 3600.0},
    "full": {"full": True},
}


@pytest.mark.parametrize(("verb", "fault"), TABLE)
async def test_a_verb_under_a_fault(place: Place, verb: str, fault: str) -> None:
    """It waits, needs a person, or goes on without the vendor; afterwards the same verb succeeds, and nothing was lost."""
    await place.begin(place.sandbox())
    for name, value in SWITCHES[fault].items():
        setattr(place.vendor.faults, name, value)
    call, told = OF_THE_LIVING[verb]
    slow = place.sandbox(timeout=1.0 if fault == "slow" else 60.0)
    expected = told[fault]
    if expected is None:
        await call(slow)
    else:
        with pytest.raises(expected):
            await call(slow)
    place.vendor.faults = droplet_emulator.Faults()
    assert [each.body["name"] for each in place.vendor.droplets.values()] == [NAME]
    row = await place.store.runner(NAME)
    assert row is not None
    assert row.state == "running"
    if verb not in {"create another", "delete"}:
        await call(place.sandbox())
    elif verb == "delete":
        await place.sandbox().delete(NAME)
        assert place.vendor.droplets == {}


OF_ITS_MACHINE: dict[str, Verb] = {
    "execute": lambda it: it.execute(NAME, f"k-{secrets.token_hex(4)}", ["true"], seconds=60),
    "read_file": lambda it: _file(it, "any"),
}


async def test_what_its_machine_answers_needs_no_vendor(place: Place) -> None:
    """A command beside the program, and a file: the vendor's bad days do not matter, but for a token that is refused."""
    hand = await place.begin(place.sandbox())
    seen, wanted = {}, {}
    for verb, call in OF_ITS_MACHINE.items():
        for fault in ("busy", "broken", "expired", "slow"):
            for name, value in SWITCHES[fault].items():
                setattr(place.vendor.faults, name, value)
            asking = asyncio.create_task(
                _outcome(call, place.sandbox(timeout=1.0 if fault == "slow" else 60.0))
            )
            while not asking.done():
                for each in (await hand.heartbeat("running"))["requests"]:
                    told = {"reason": "Exited", "exit_code": 0, "output": "", "data": "eA=="}
                    await hand.answer(each["key"], told)
                await asyncio.sleep(0.05)
            seen[verb, fault] = await asking
            wanted[verb, fault] = "Stalled" if fault == "expired" else "fine"
            place.vendor.faults = droplet_emulator.Faults()
    assert seen == wanted


TO_THE_END: dict[str, dict[str, str]] = {
    "follow_log": {"busy": "fine", "broken": "fine", "expired": "fine", "slow": "fine"},
    "archive": {"busy": "fine", "broken": "fine", "expired": "Stalled", "slow": "fine"},
    "wait": {"busy": "fine", "broken": "fine", "expired": "Stalled", "slow": "fine"},
    "stop": {"busy": "fine", "broken": "fine", "expired": "Stalled", "slow": "fine"},
}


def test_every_verb_of_the_port_is_in_a_table() -> None:
    """The price alone is told without anybody."""
    verbs = {name for name, _ in inspect.getmembers(ports.SandboxProvider, inspect.isfunction)}
    asked = {each.partition(" ")[0] for each in (*OF_THE_LIVING, *OF_ITS_MACHINE, *TO_THE_END)}
    assert asked == {each for each in verbs if not each.startswith("_")} - {"price"}


@pytest.mark.parametrize("fault", list(TO_THE_END["stop"]))
async def test_an_end_under_a_fault(place: Place, fault: str) -> None:
    """Output and files come, and who waits or stops hears of the end; afterwards all do, and the machine is gone."""
    hand = await place.begin(place.sandbox())
    await hand.logs(0, b"hello")
    for name, value in SWITCHES[fault].items():
        setattr(place.vendor.faults, name, value)
    timeout = 1.0 if fault == "slow" else 60.0
    seen = {"follow_log": await _outcome(_hello, place.sandbox(timeout=timeout))}
    archiving = asyncio.create_task(_outcome(_saved, place.sandbox(timeout=timeout)))
    await _save(place, hand, archiving)
    seen["archive"] = await archiving
    ends = {
        "wait": asyncio.create_task(_outcome(_waited, place.sandbox(timeout=timeout))),
        "stop": asyncio.create_task(_outcome(_stopped, place.sandbox(timeout=timeout))),
    }
    await _stop(hand)
    seen |= {verb: await asking for verb, asking in ends.items()}
    assert seen == {verb: told[fault] for verb, told in TO_THE_END.items()}
    place.vendor.faults = droplet_emulator.Faults()
    for call in (_waited, _stopped):
        assert await _outcome(call, place.sandbox()) == "fine"
    assert await _read(place.sandbox()) == b"hello"
    assert place.vendor.droplets == {}


async def _hello(sandbox: adapter.DropletSandbox) -> None:
    async with contextlib.aclosing(sandbox.follow_log(NAME)) as stream:
        assert await anext(stream) == b"hello"


async def _saved(sandbox: adapter.DropletSandbox) -> None:
    assert b"".join([data async for data in sandbox.archive(NAME)]) == b"a tar"


async def _waited(sandbox: adapter.DropletSandbox) -> None:
    assert (await sandbox.wait(NAME)).reason == "Cancelled"


async def _stopped(sandbox: adapter.DropletSandbox) -> None:
    found = await sandbox.stop(NAME)
    assert found is not None
    assert found.reason == "Cancelled"


async def _save(place: Place, hand: runners.Called, asking: asyncio.Task[str]) -> None:
    """As the runner that is asked for its folder."""
    digest = (await place.storage.put(once(b"a tar"))).sha256
    while not asking.done():
        for each in (await hand.heartbeat("running"))["requests"]:
            wish = f".wbx-request/{each['key']}"
            signed = await hand.upload(wish, digest, 5)
            if signed is not None:
                await hand.prove(wish, _proof("true", signed["challenge"], b"a tar", digest))
                await hand.answer(each["key"], {"sha256": digest})
        await asyncio.sleep(0.05)


async def _stop(hand: runners.Called) -> None:
    """As the runner that is told to stop."""
    async with asyncio.timeout(120):
        while not (await hand.heartbeat("running"))["stop"]:
            await asyncio.sleep(0.05)
    await hand.finish({"state": "exited", "exit_code": None, "reason": "Cancelled"}, [])


async def _file(sandbox: adapter.DropletSandbox, path: str) -> None:
    assert [data async for data in sandbox.read_file(NAME, path)] == [b"x"]


async def _outcome(call: Verb, sandbox: adapter.DropletSandbox) -> str:
    try:
        await call(sandbox)
    except errors.WorkbenchError as problem:
        return type(problem).__name__
    return "fine"


async def test_a_create_in_doubt_is_adopted(place: Place) -> None:
    """503 after the droplet was made, and then no answer at all: asked again it is found, and there is one."""
    for fault in ("lost", "silent"):
        setattr(place.vendor.faults, fault, 1)
        sandbox = place.sandbox(timeout=5.0 if fault == "silent" else 60.0)
        while "POST /v2/droplets" not in place.vendor.asked:
            with pytest.raises(errors.Waiting):
                await sandbox.create(order())
        making = asyncio.create_task(place.sandbox().create(order()))
        await place.stage()
        assert (await making).state == "created"
        assert len(place.vendor.droplets) == 1
        assert place.vendor.asked.count("POST /v2/droplets") == 1
        await place.sandbox().delete(NAME)
        assert place.vendor.droplets == {}
        place.vendor.asked.clear()


async def test_a_create_in_doubt_whose_machine_is_quicker(place: Place) -> None:
    """It staged before anybody learnt its id: it is bound and used, and no other one is made."""
    place.vendor.faults.lost = 1
    with pytest.raises(errors.Waiting):
        await place.sandbox().create(order())
    await place.stage()
    assert (await place.sandbox().create(order())).state == "created"
    assert place.vendor.asked.count("POST /v2/droplets") == 1
    row = await place.store.runner(NAME)
    assert row is not None
    assert row.external_id == str(place.vendor.named(NAME)[0].id)


async def test_a_list_that_lags_makes_no_second_machine(place: Place) -> None:
    """Within the lag nobody asks again; and a delete waits until it is sure that there is nothing."""
    place.vendor.faults.lost = 1
    place.vendor.faults.lag = 3600.0
    sandbox = place.sandbox(listLag=3600.0, patience=1.0)
    for _ in range(3):
        with pytest.raises(errors.Waiting):
            await sandbox.create(order())
    assert place.vendor.asked.count("POST /v2/droplets") == 1
    with pytest.raises(errors.Waiting, match="not sure yet"):
        await sandbox.delete(NAME)
    place.vendor.faults.lag = 0.0
    await sandbox.delete(NAME)
    assert place.vendor.droplets == {}


async def test_a_twin_is_destroyed(place: Place) -> None:
    """A droplet of an earlier try, which was listed too late, cannot claim and goes; the one that counts stays."""
    place.vendor.faults.lost = 1
    place.vendor.faults.lag = 3600.0
    sandbox = place.sandbox()
    with pytest.raises(errors.Waiting):
        await sandbox.create(order())
    (early,) = place.vendor.named(NAME)
    making = asyncio.create_task(sandbox.create(order()))

    async def twins() -> bool:
        return len(place.vendor.named(NAME)) == 2

    await providers_sandbox.until(twins, seconds=120)
    with pytest.raises(errors.Stalled, match="token is not known"):
        await place.hand(early).claim(CERTIFICATE)
    place.vendor.faults.lag = 0.0
    await providers_sandbox.until(lambda: _gone(place, early.id), seconds=120)
    await place.stage()
    assert (await making).state == "created"
    assert len(place.vendor.droplets) == 1


async def _gone(place: Place, droplet: int) -> bool:
    return droplet not in place.vendor.droplets


async def test_no_room_is_waited_for(place: Place) -> None:
    """422 for capacity says when to ask again; then there is one machine."""
    place.vendor.faults.full = True
    sandbox = place.sandbox()
    with pytest.raises(errors.Waiting, match="no room"):
        await sandbox.create(order())
    place.vendor.faults.full = False
    await place.begin(sandbox)


async def test_where_there_is_no_room_the_next_region_is_tried(place: Place) -> None:
    """In their order; nothing was made where there was none, and where none has room it is waited for."""
    sandbox = place.sandbox(region="nyc2", regions=["tor1", "atl1"], patience=1.0)
    place.vendor.faults.full_in = frozenset({"nyc2", "tor1", "atl1"})
    with pytest.raises(errors.Waiting, match="no room"):
        await sandbox.create(order())
    assert place.vendor.asked.count("POST /v2/droplets") == 3
    place.vendor.faults.full_in = frozenset({"nyc2"})
    with pytest.raises(errors.Waiting, match="its runner does not answer yet"):
        await sandbox.create(order())
    assert place.vendor.asked.count("POST /v2/droplets") == 5
    assert [each.body["region"] for each in place.vendor.named(NAME)] == ["tor1"]


async def test_what_stays_pending_is_waited_for(place: Place) -> None:
    """A droplet that never becomes active: `create` says so, again and again, and makes no other one."""
    place.vendor.faults.stuck = True
    sandbox = place.sandbox(patience=1.0)
    for _ in range(2):
        with pytest.raises(errors.Waiting, match="its runner does not answer yet"):
            await sandbox.create(order())
    assert len(place.vendor.droplets) == 1
    assert await sandbox.status(NAME) is None
    await sandbox.stop(NAME)
    await sandbox.delete(NAME)
    assert place.vendor.droplets == {}


async def test_a_machine_that_dies_before_the_start_is_replaced(place: Place) -> None:
    """Its files are staged anew on another one; a start was never told to the first."""
    sandbox = place.sandbox()
    making = asyncio.create_task(sandbox.create(order()))
    await place.stage()
    await making
    (dead,) = place.vendor.named(NAME)
    dead.off = True
    making = asyncio.create_task(sandbox.create(order()))
    await providers_sandbox.until(lambda: _gone(place, dead.id), seconds=120)
    await place.stage()
    assert (await making).state == "created"
    assert len(place.vendor.droplets) == 1


@pytest.mark.parametrize("end", ["gone", "off", "silent"])
async def test_a_machine_that_dies_is_lost(place: Place, end: str) -> None:
    """Destroyed by somebody, powered off, or silent for too long: Lost, never started again, and no longer paid for."""
    sandbox = place.sandbox(silence=0.5 if end == "silent" else 3600.0)
    await place.begin(sandbox)
    (droplet,) = place.vendor.named(NAME)
    if end == "gone":
        place.vendor.droplets.clear()
    elif end == "off":
        droplet.off = True

    async def over() -> bool:
        found = await sandbox.status(NAME)
        return found is not None and found.state == "exited"

    await providers_sandbox.until(over, seconds=120)
    found = await sandbox.wait(NAME)
    assert found.reason == "Lost"
    assert (await sandbox.start(NAME, {})).state == "exited"
    assert place.vendor.droplets == {}


async def test_what_never_reports_ends_at_its_deadline(place: Place) -> None:
    """Past its deadline and the grace a worker concludes: DeadlineExceeded, and the machine is destroyed."""
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=3)
    sandbox = place.sandbox(grace=1.0)
    long = place.sandbox(grace=3600.0)
    await place.begin(long, order(deadline=past))
    found = await sandbox.status(NAME)
    assert found is not None
    assert (found.state, found.reason) == ("exited", "DeadlineExceeded")
    assert place.vendor.droplets == {}


async def test_the_end_destroys_the_machine(place: Place) -> None:
    """`finish` is the request: whoever waits destroys it, and how it ended, its output and files stay readable."""
    sandbox = place.sandbox()
    hand = await place.begin(sandbox)
    waiting = asyncio.create_task(sandbox.wait(NAME))
    await hand.logs(0, b"hello")
    await hand.finish({"state": "exited", "exit_code": 0, "reason": "Exited"}, [])
    async with asyncio.timeout(120):
        found = await waiting
    assert (found.state, found.exit_code) == ("exited", 0)
    assert place.vendor.droplets == {}
    assert await _read(sandbox) == b"hello"
    assert (await sandbox.status(NAME)) == found


async def test_an_upload_that_is_not_what_was_promised(place: Place) -> None:
    """The bytes behind an output are checked where they are read, and what is wrong is removed from the storage."""
    sandbox = place.sandbox()
    hand = await place.begin(sandbox)
    await hand.upload("out.csv", "b" * 64, 3)
    await place.store.sign_runner(NAME, {"out.csv": {"url": "x", "headers": {}, **CHALLENGE}})
    await hand.prove("out.csv", "f" * 64)
    await hand.finish(EXITED, ["out.csv"])
    with pytest.raises(errors.Stalled) as told:
        [data async for data in sandbox.read_file(NAME, "out.csv")]
    assert told.value.reason == "ArtifactMissing"


@pytest.mark.parametrize("proof", ["none", "guessed", "of the digest", "true"])
@pytest.mark.parametrize("asked", [True, False])
async def test_a_runner_that_knows_a_digest_alone_gets_nothing(
    place: Place, proof: str, *, asked: bool
) -> None:
    """It says that an output is what lies in storage already, of another project: without its bytes it proves nothing.

    Whether it asked for an upload, and heard that such bytes are there, or just says at its end that it uploaded them.
    """
    theirs = b"of another project"
    digest = (await place.storage.put(once(theirs))).sha256
    sandbox = place.sandbox()
    hand = await place.begin(sandbox)
    await hand.upload("out.csv", digest, len(theirs))
    if asked:
        await sandbox.status(NAME)
        signed = await hand.upload("out.csv", digest, len(theirs))
        assert signed is not None
        assert signed["stored"] is True
        if proof != "none":
            await hand.prove("out.csv", _proof(proof, signed["challenge"], theirs, digest))
    await hand.finish(EXITED, ["out.csv"])
    if asked and proof == "true":
        assert b"".join([data async for data in sandbox.read_file(NAME, "out.csv")]) == theirs
        return
    with pytest.raises(errors.Stalled, match="did not prove that it has") as told:
        [data async for data in sandbox.read_file(NAME, "out.csv")]
    assert told.value.reason == "OutputMissing"
    assert await place.storage.exists(digest)


def _proof(proof: str, challenge: str, data: bytes, digest: str) -> str:
    made = proving.Proof("00" * 32 if proof == "guessed" else challenge)
    made.add(bytes.fromhex(digest) if proof == "of the digest" else data)
    return made.told()


async def test_a_proof_goes_with_one_wish(place: Place) -> None:
    """Another digest after the proof takes challenge and proof away; what was not signed cannot be proven."""
    hand = await place.begin(place.sandbox())
    with pytest.raises(errors.Stalled, match="a proof is of what was signed"):
        await hand.prove("out.csv", "f" * 64)
    await hand.upload("out.csv", "b" * 64, 3)
    await place.store.sign_runner(NAME, {"out.csv": {"stored": True, **CHALLENGE}})
    await hand.prove("out.csv", "f" * 64)
    row = await place.store.runner(NAME)
    assert row is not None
    assert row.wishes["out.csv"] == {"sha256": "b" * 64, "bytes": 3, "proof": "f" * 64}
    assert await hand.upload("out.csv", "b" * 64, 3) == {"stored": True, **CHALLENGE}
    assert await hand.upload("out.csv", "c" * 64, 3) is None
    row = await place.store.runner(NAME)
    assert row is not None
    assert (row.wishes["out.csv"], dict(row.uploads)) == ({"sha256": "c" * 64, "bytes": 3}, {})


@pytest.mark.parametrize("ours", [True, False])
async def test_wrong_bytes_are_removed_where_they_came_by_our_upload(
    place: Place, tmp_path: pathlib.Path, *, ours: bool
) -> None:
    """What lay there before the runner wished for it is somebody else's: reading it wrong once removes nothing."""
    digest = (await place.storage.put(once(b"good"))).sha256
    (kept,) = [each for each in (tmp_path / "storage").rglob(f"*{digest[8:]}*") if each.is_file()]
    kept.chmod(0o600)
    kept.write_bytes(b"evil")
    sandbox = place.sandbox()
    hand = await place.begin(sandbox)
    await hand.upload("out.csv", digest, 4)
    signed = {"url": "x", "headers": {}} if ours else {"stored": True, "url": None}
    await place.store.sign_runner(NAME, {"out.csv": signed | CHALLENGE})
    await hand.prove("out.csv", "f" * 64)
    await hand.finish(EXITED, ["out.csv"])
    with pytest.raises(errors.Stalled) as told:
        [data async for data in sandbox.read_file(NAME, "out.csv")]
    assert told.value.reason == "DigestMismatch"
    assert await place.storage.exists(digest) is not ours


async def once(data: bytes) -> AsyncIterator[bytes]:
    """All of it in one piece."""
    yield data


async def test_secrets_are_sealed(place: Place) -> None:
    """What `start` was given stands nowhere in the database in clear, and is gone from it after the end."""
    sandbox = place.sandbox()
    hand = await place.begin(sandbox)
    orders = await hand.heartbeat("running")
    assert orders["sealed"]
    assert "hush" not in orders["sealed"]
    await hand.finish({"state": "exited", "exit_code": 0}, [])
    assert (await hand.heartbeat("running"))["sealed"] is None


async def test_what_nobody_knows_is_seen(place: Place) -> None:
    """A droplet with our tag and no row is observed as unknown, and can be deleted; other people's are neither."""
    tag = f"wbx-installation:{INSTALLATION}"
    for tags in ([tag, "wbx-resource:r"], ["theirs"]):
        body = {"name": "x", "size": "s-2vcpu-4gb", "region": "nyc2", "tags": tags, "image": "i"}
        number = len(place.vendor.droplets) + 1
        place.vendor.droplets[number] = droplet_emulator.Droplet(number, body, 0.0)
    sandbox = place.sandbox()
    seen = await sandbox.observe()
    assert [(each.state, each.resource) for each in seen.objects] == [("unknown", "r")]
    await sandbox.delete("x")
    assert [each.body["tags"] for each in place.vendor.droplets.values()] == [["theirs"]]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"ports": (8080,)}, "opens no ports"),
        ({"image": "python:3.12"}, "not pinned"),
        ({"cpu": 64.0}, "large enough"),
        ({"files": (ports.StagedFile("x", "0" * 64),)}, "artifact"),
    ],
)
async def test_what_cannot_be_leaves_nothing(place: Place, more: dict[str, Any], told: str) -> None:
    """Refused with the reason before a machine is asked for; no row stays."""
    spec = dataclasses.replace(order(), **more)
    with pytest.raises(errors.Stalled, match=told):
        await place.sandbox().create(spec)
    assert await place.store.runners() == []
    assert "POST /v2/droplets" not in place.vendor.asked


def test_its_price_is_that_of_the_provider_object(place: Place) -> None:
    """For the machine that would be asked for."""
    assert str(place.sandbox().price(order())) == "0.5"
