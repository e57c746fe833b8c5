"""The `do_runner` adapter with droplets on the vendor's bad days, and what their runners say that they uploaded. Runners are played by hand here."""

import asyncio
import pathlib

import blobs
import droplet_emulator
import providers_sandbox
import pytest
import runner_place
from runner_fixtures import database, place, server, store

from workbenchx import errors

__all__ = ["database", "place", "server", "store"]

INSTALLATION, NAME = runner_place.INSTALLATION, runner_place.NAME
CERTIFICATE, order = runner_place.CERTIFICATE, runner_place.order
Place = runner_place.Place
EXITED = {"state": "exited", "exit_code": 0}
CHALLENGE = {"challenge": "ab" * 32}


@pytest.fixture
def shape() -> str:
    """Of its machines."""
    return "droplet"


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
    assert await runner_place.output(sandbox) == b"hello"
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
    digest = (await place.storage.put(blobs.stream(theirs))).sha256
    sandbox = place.sandbox()
    hand = await place.begin(sandbox)
    await hand.upload("out.csv", digest, len(theirs))
    if asked:
        await sandbox.status(NAME)
        signed = await hand.upload("out.csv", digest, len(theirs))
        assert signed is not None
        assert signed["stored"] is True
        if proof != "none":
            await hand.prove(
                "out.csv", runner_place.proof(proof, signed["challenge"], theirs, digest)
            )
    await hand.finish(EXITED, ["out.csv"])
    if asked and proof == "true":
        assert b"".join([data async for data in sandbox.read_file(NAME, "out.csv")]) == theirs
        return
    with pytest.raises(errors.Stalled, match="did not prove that it has") as told:
        [data async for data in sandbox.read_file(NAME, "out.csv")]
    assert told.value.reason == "OutputMissing"
    assert await place.storage.exists(digest)


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
    digest = (await place.storage.put(blobs.stream(b"good"))).sha256
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


def test_its_price_is_that_of_the_provider_object(place: Place) -> None:
    """For the machine that would be asked for."""
    assert str(place.sandbox().price(order())) == "0.5"
