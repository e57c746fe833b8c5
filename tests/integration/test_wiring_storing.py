"""A cluster installation's storage, for who is no worker: audits by command, links by the console; on a real S3 server."""

import hashlib
import json
import pathlib
from collections.abc import Iterator

import console_auth
import console_lab
import console_world
import httpx
import pytest
import storage_server
import store_worlds as worlds
from console_fixtures import auth
from store_fixtures import database, server, store

from workbenchx import errors, ports
from workbenchx.cli import auditing
from workbenchx.planner import model
from workbenchx.providers.storage import several
from workbenchx.store import embedded, postgres
from workbenchx.wiring import settings, storing

__all__ = ["auth", "database", "server", "store"]


@pytest.fixture
def s3(tmp_path: pathlib.Path) -> Iterator[storage_server.S3Server]:
    """An S3 server."""
    with storage_server.running(tmp_path / "s3") as started:
        yield started


@pytest.fixture
def chosen(
    s3: storage_server.S3Server,
    server: embedded.Server,
    database: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> settings.Settings:
    """Settings of the dev overlay: the S3 server stands in, its keys are in the environment."""
    monkeypatch.setenv("S3_ACCESS_KEY_ID", s3.access_key)
    monkeypatch.setenv("S3_SECRET_ACCESS_KEY", s3.secret_key)
    environ = {
        "WBX_DATABASE_URL": server.url_for("wbx_engine", database),
        "WBX_STAND_IN": "kubernetes",
        "WBX_STAND_IN_STORAGE": f"{s3.url}/{storage_server.BUCKET}",
    }
    return settings.load(folder=tmp_path, environ=environ)


async def test_an_audit_sees_what_the_bucket_lost(
    s3: storage_server.S3Server,
    chosen: settings.Settings,
    store: postgres.Postgres,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`wbx db anchor` pins in the bucket, `wbx db verify` reads everything from there, and tells damage."""
    async with storing.open(chosen) as kept:
        world = await console_world.fill(store, kept.storage)
        assert await auditing.anchor(kept, as_json=True) == 0
        assert json.loads(capsys.readouterr().out)["anchor"]["runs"] > 0
        assert [name async for name, _ in kept.storage.pins("anchors/")] != []
        assert await auditing.verify(kept, None, as_json=False) == 0
        (s3.bucket / world.blobs["iris"].key).write_bytes(b"something else")
        assert await auditing.verify(kept, None, as_json=False) == 1
    assert "artifact out" in capsys.readouterr().out


async def test_the_console_hands_out_links_to_the_bucket(
    *,
    chosen: settings.Settings,
    store: postgres.Postgres,
    server: embedded.Server,
    database: str,
    auth: console_auth.SupabaseAuth,
    tmp_path: pathlib.Path,
) -> None:
    """To who may read the pointer, and to nobody else; the bytes come from the S3 server itself."""
    async with storing.open(chosen) as kept:
        world = await console_world.fill(store, kept.storage)
    shelf = storing.Shelf(chosen)
    more = {"shelf": shelf, "storage": None, "blobs": None}
    async with console_lab.lab(server, database, auth, tmp_path, **more) as lab:
        url = f"/api/v1/artifacts/{world.blobs['iris'].sha256}/url"
        async with lab.client("viewer") as client:
            found = (await client.get(url)).raise_for_status().json()
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(found["url"])).content == b"the output of iris"
        assert found["sha256"] == world.blobs["iris"].sha256
        async with lab.client("outsider") as client:
            assert (await client.get(url)).status_code == 404
    await shelf.close()


async def test_a_console_without_credentials_signs_no_links(
    *,
    chosen: settings.Settings,
    store: postgres.Postgres,
    server: embedded.Server,
    database: str,
    auth: console_auth.SupabaseAuth,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It says so, and serves all else."""
    async with storing.open(chosen) as kept:
        world = await console_world.fill(store, kept.storage)
    monkeypatch.delenv("S3_SECRET_ACCESS_KEY")
    shelf = storing.Shelf(chosen)
    more = {"shelf": shelf, "storage": None, "blobs": None}
    async with (
        console_lab.lab(server, database, auth, tmp_path, **more) as lab,
        lab.client("viewer") as client,
    ):
        refused = await client.get(f"/api/v1/artifacts/{world.blobs['iris'].sha256}/url")
        assert refused.status_code == 501
        assert "signs no links" in refused.json()["detail"]
        logs = await client.get(f"/api/v1/runs/{world.ended['iris']}/logs")
        assert logs.content == b"one line\n"
    await shelf.close()


async def test_another_default_is_another_storage(
    *,
    s3: storage_server.S3Server,
    store: postgres.Postgres,
    server: embedded.Server,
    database: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The recorded provider object decides, with no restart; without a default there is none."""
    monkeypatch.setattr(storing, "LOOK_SECONDS", 0.0)
    asked = settings.load(
        folder=tmp_path, environ={"WBX_DATABASE_URL": server.url_for("wbx_engine", database)}
    )
    shelf = storing.Shelf(asked)
    with pytest.raises(errors.Stalled, match="no StorageProvider is declared"):
        await shelf.storage(store.connections)
    epoch, uid = await worlds.lead(store), worlds.new_id()
    await _declare(store, epoch, uid, {"bucket": "bucket", "endpoint": s3.url})
    first = await shelf.storage(store.connections)
    assert first.adapter == "s3_compatible"
    again = await shelf.storage(store.connections)
    assert _places(again) is _places(first)
    await _declare(store, epoch, uid, {"bucket": "other", "endpoint": s3.url})
    assert _places(await shelf.storage(store.connections)) is not _places(first)
    await shelf.close()


def _places(storage: ports.StorageProvider) -> several.Places:
    assert isinstance(storage, several.Several)
    return storage.places


async def _declare(
    store: postgres.Postgres, epoch: int, uid: str, chosen: dict[str, object]
) -> None:
    """Record the StorageProvider object that is the default."""
    credentials = {"accessKeyId": {"env": "A"}, "secretAccessKey": {"env": "B"}}
    spec: dict[str, object] = {"adapter": "s3_compatible", "default": True, "settings": chosen}
    key = model.Key("StorageProvider", "", "s3")
    digest = hashlib.sha256(repr(chosen).encode()).hexdigest()
    place = model.SourceRef("s", None, console_world.COMMIT, "ssot/x.yaml", 1)
    spec["credentials"] = credentials
    row = worlds.created(model.Declared(key, None, spec, digest, place), uid)
    await store.mirror("s", [row.declared], complete=True, commit=console_world.COMMIT)
    verdicts = [worlds.ready(row)]
    await store.settle(epoch, worlds.batch(rows=[row], verdicts=verdicts))
