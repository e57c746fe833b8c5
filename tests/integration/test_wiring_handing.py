"""Links to artifacts are handed out to those who may read the pointer, and to nobody else, whatever the bytes are."""

import datetime
import hashlib
import pathlib
import urllib.parse
from collections.abc import AsyncIterator, Mapping
from typing import Any

import blobs
import pytest
import store_callers
import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx import errors, ports
from workbenchx.providers.storage import local
from workbenchx.store import callers, embedded, postgres, reads
from workbenchx.wiring import handing

__all__ = ["database", "server", "store"]

BYTES = b"equal in both projects"
DIGEST = hashlib.sha256(BYTES).hexdigest()
ADA = {"sub": store_callers.ADA}
EVE = {"sub": store_callers.EVE}
STRANGERS: list[Mapping[str, Any]] = [
    {"sub": "99999999-0000-4000-8000-000000000007"},
    {"sub": "no uuid"},
    {"sub": store_callers.ADA[:-1] + "f", "user_metadata": {"wbx_role": "platform"}},
    {"app_metadata": {"wbx_role": "viewer"}},
]


@pytest.fixture
async def storage(tmp_path: pathlib.Path) -> local.LocalStorage:
    """A storage that holds the bytes, once."""
    made = local.LocalStorage(tmp_path / "storage")
    assert (await made.put(blobs.stream(BYTES))).sha256 == DIGEST
    return made


@pytest.fixture
async def api(server: embedded.Server, database: str) -> AsyncIterator[callers.Callers]:
    """Connections as wbx_api."""
    opened = callers.Callers(server.url_for("wbx_api", database))
    yield opened
    await opened.close()


async def pointers(store: postgres.Postgres) -> dict[str, str]:
    """A pointer to the same bytes in project iris (of Ada and others) and in project other (of Eve): their ids."""
    runs = await store_callers.two_projects(store)
    blob = ports.Blob(DIGEST, len(BYTES), "local", f"sha256/{DIGEST}")
    ids = {}
    for project in runs:
        await store_callers.open_run(store, project)
        (run,) = await store.claim("w2", limit=1, lease=60)
        done = worlds.outcome(artifacts=[(f"report-{project}", blob, "text/csv")])
        assert await store.finish(run.run_id, run.fencing, done)
        found = await reads.Reads(store.connections).artifacts(run_id=run.run_id)
        ids[project] = str(found[0]["id"])
    return ids


async def test_a_member_gets_a_link_with_digest_and_end(
    store: postgres.Postgres, api: callers.Callers, storage: local.LocalStorage
) -> None:
    """URL, sha256, size and end; the link opens the bytes until then."""
    ids = await pointers(store)
    quarter = datetime.timedelta(minutes=15)
    before = datetime.datetime.now(datetime.UTC)
    asked = reads.Reads(api.reading(ADA))
    found = await handing.link(asked, storage, ids["iris"], expires=quarter)
    assert (found["sha256"], found["bytes"], found["media_type"]) == (
        DIGEST,
        len(BYTES),
        "text/csv",
    )
    assert abs(found["expires_at"] - before - quarter) < datetime.timedelta(seconds=5)
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(found["url"]).query))
    assert storage.verify_link(DIGEST, query).filename == "report-iris"


async def test_no_link_to_another_projects_artifact(
    store: postgres.Postgres, api: callers.Callers, storage: local.LocalStorage
) -> None:
    """By id or name there is none, though the bytes are equal; by digest each gets the own pointer's."""
    ids = await pointers(store)
    for claims, own, foreign in ((ADA, "iris", "other"), (EVE, "other", "iris")):
        asked = reads.Reads(api.reading(claims))
        for word in (ids[foreign], ids[foreign][:8], f"report-{foreign}"):
            with pytest.raises(errors.Stalled) as caught:
                await handing.link(asked, storage, word)
            assert caught.value.reason == "ArtifactMissing"
        found = await handing.link(asked, storage, DIGEST)
        assert f"report-{own}" in found["url"]


@pytest.mark.parametrize("claims", STRANGERS)
async def test_no_link_for_strangers(
    store: postgres.Postgres,
    api: callers.Callers,
    storage: local.LocalStorage,
    claims: Mapping[str, Any],
) -> None:
    """Whoever is no member gets nothing, by id, name or digest; nor does who did not sign in."""
    ids = await pointers(store)
    for word in (ids["iris"], "report-iris", DIGEST):
        with pytest.raises(errors.Stalled) as caught:
            await handing.link(reads.Reads(api.reading(claims)), storage, word)
        assert caught.value.reason == "ArtifactMissing"
        with pytest.raises(errors.Stalled) as caught:
            await handing.link(reads.Reads(api.nobody()), storage, word)
        assert caught.value.reason == "Forbidden"


async def test_no_link_to_removed_bytes(
    store: postgres.Postgres, api: callers.Callers, storage: local.LocalStorage
) -> None:
    """Retention took the own pointer's bytes: no link, though the storage has them for another project; and the way out."""
    ids = await pointers(store)
    async with store.connections.transaction() as conn:
        query = "update ops.artifacts set removed_at = now() where id::text = %s"
        await conn.execute(query, (ids["iris"],))
    with pytest.raises(errors.Stalled, match="wbx reproduce") as caught:
        await handing.link(reads.Reads(api.reading(ADA)), storage, ids["iris"])
    assert caught.value.reason == "ArtifactRemoved"
    assert await handing.link(reads.Reads(api.reading(EVE)), storage, ids["other"])
