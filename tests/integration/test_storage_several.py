"""Several storages side by side: a project goes over to another one by one field, what it has stays where it lies."""

import contextlib
import datetime
import functools
import hashlib
import pathlib

import blobs
import pytest
import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx import errors, ports
from workbenchx.planner import model
from workbenchx.providers.storage import local, several
from workbenchx.store import postgres
from workbenchx.wiring import adapters, storing

__all__ = ["database", "server", "store"]
NAMES = ("near", "far", "unused")
HOUR = datetime.timedelta(hours=1)


def missing() -> ports.StorageProvider:
    """A storage whose credentials are not there."""
    raise errors.Stalled(
        'StorageProvider "x": credential "key" cannot be read', reason="SecretMissing"
    )


@pytest.fixture
def made(tmp_path: pathlib.Path) -> dict[str, pathlib.Path]:
    """The folder of each storage."""
    return {name: tmp_path / name for name in NAMES}


@pytest.fixture
def places(made: dict[str, pathlib.Path]) -> several.Places:
    """Three storages, the first is the default."""
    return several.Places(
        {name: functools.partial(local.LocalStorage, folder) for name, folder in made.items()}
    )


def where(*names: str) -> several.Where:
    """What pointers say."""

    async def told(_sha256: str) -> tuple[str, ...]:
        return names

    return told


def lies(folder: pathlib.Path, sha256: str) -> bool:
    """Whether the storage of that folder has the bytes."""
    return (folder / "sha256" / sha256[:2] / sha256).exists()


async def test_discarding_removes_nothing_of_anybody_else(
    places: several.Places, made: dict[str, pathlib.Path]
) -> None:
    """Only in the storage that uploads go to, and only what no pointer names: a copy elsewhere, or somebody's, stays."""
    for name in ("near", "far"):
        blob = await places.get(name).put(blobs.stream(b"equal"))
    await several.Several(places, where("near"), "near").discard(blob.sha256)
    assert lies(made["near"], blob.sha256)
    await several.Several(places, where(), "near").discard(blob.sha256)
    assert not lies(made["near"], blob.sha256)
    assert lies(made["far"], blob.sha256)


async def test_bytes_are_read_where_they_lie(
    places: several.Places, made: dict[str, pathlib.Path]
) -> None:
    """What was put before the change is read, linked to and deleted in the old storage; what is new lies in the new one."""
    before = several.Several(places, where())
    old = await before.put(blobs.stream(b"old"))
    after = several.Several(places, where("near"), "far")
    new = await after.put(blobs.stream(b"new"))

    assert (old.storage, new.storage) == ("near", "far")
    assert (lies(made["near"], old.sha256), lies(made["far"], new.sha256)) == (True, True)
    assert not lies(made["far"], old.sha256)
    assert await blobs.read(after, old.sha256) == b"old"
    assert await after.exists(old.sha256)
    assert (await after.signed_url(old.sha256, expires=HOUR)).sha256 == old.sha256
    await after.delete(old.sha256)
    assert not lies(made["near"], old.sha256)
    assert not made["unused"].exists()


async def test_the_storages_of_pointers_that_cannot_be_had_are_named(
    made: dict[str, pathlib.Path],
) -> None:
    """No "missing" where the bytes are only out of reach; an unused storage without credentials disturbs nobody."""
    near = functools.partial(local.LocalStorage, made["near"])
    places = several.Places({"near": near, "far": missing})
    digest = hashlib.sha256(b"x").hexdigest()
    for call in (
        lambda one: blobs.read(one, digest),
        lambda one: one.exists(digest),
        lambda one: one.signed_url(digest, expires=HOUR),
    ):
        with pytest.raises(errors.Stalled) as told:
            await call(several.Several(places, where("far")))
        assert told.value.reason == "SecretMissing"
    with pytest.raises(errors.Stalled) as told:
        await blobs.read(several.Several(places, where()), digest)
    assert told.value.reason == "ArtifactMissing"


async def test_pins_of_an_earlier_default_still_stand(made: dict[str, pathlib.Path]) -> None:
    """Whoever makes another storage the default one cannot thereby write an anchor anew."""
    makers = {name: functools.partial(local.LocalStorage, made[name]) for name in NAMES[:2]}
    first = several.Several(several.Places(makers), where())
    assert await first.pin("anchors/1", b"one") == b"one"
    turned = dict(reversed(makers.items()))
    later = several.Several(several.Places(turned), where())
    assert await later.pin("anchors/1", b"other") == b"one"
    assert await later.pin("anchors/2", b"two") == b"two"
    assert [pin async for pin in later.pins("anchors/")] == [
        ("anchors/1", b"one"),
        ("anchors/2", b"two"),
    ]


async def test_a_project_chooses_by_one_field(
    store: postgres.Postgres, places: several.Places
) -> None:
    """The next thing it stores goes to the other storage; its row says so, and the storages of both are found."""
    epoch, uid = await worlds.project_with_job(store)
    choices = storing.Choices(store, places)
    kept = []
    for attempt, name in enumerate((None, "far"), 1):
        spec = {"providers": {"storage": name}} if name else {}
        key = model.Key("Project", "", "iris")
        write = ports.RowWrite(
            declared=worlds.declared(key, spec),
            uid=await _uid(store),
            action=model.Action.UPDATE,
            because=model.Because.SPEC_CHANGED,
        )
        assert await store.settle(epoch, worlds.batch(rows=[write]))
        run = await worlds.claimed(store, uid, attempt=attempt)
        blob = await (await choices.of("iris")).put(blobs.stream(b"out %d" % attempt))
        outcome = worlds.outcome(artifacts=[("out", blob, "text/plain")])
        assert await store.finish(run.run_id, run.fencing, outcome)
        kept.append(blob)
    assert [blob.storage for blob in kept] == ["near", "far"]
    assert [await store.storages_with(blob.sha256) for blob in kept] == [("near",), ("far",)]
    storage = await choices.of(None)
    assert [await blobs.read(storage, blob.sha256) for blob in kept] == [b"out 1", b"out 2"]


async def _uid(store: postgres.Postgres) -> str:
    (row,) = [row for row in (await worlds.world(store)).recorded if row.key.kind == "Project"]
    return row.uid


async def test_all_options_are_picked_and_only_the_default_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A declared storage that nothing uses needs no credentials: the default one is asked, and does not answer."""
    monkeypatch.setenv("S3_KEY", "k")
    settings = {"endpoint": "http://127.0.0.1:9", "bucket": "wbx", "region": "auto"}
    given = {"accessKeyId": {"env": "S3_KEY"}, "secretAccessKey": {"env": "S3_KEY"}}
    lacking = {"accessKeyId": {"env": "NOT_SET"}, "secretAccessKey": {"env": "NOT_SET"}}
    options = (
        ports.Option("StorageProvider", "near", "s3_compatible", True, settings, given),
        ports.Option("StorageProvider", "far", "s3_compatible", False, settings, lacking),
    )
    async with contextlib.AsyncExitStack() as stack:
        places = adapters.pick_places(adapters.Wanted(options), stack)
        assert places.names == ("near", "far")
        storage = several.Several(places, where())
        with pytest.raises(errors.Waiting):
            await storage.exists("0" * 64)
