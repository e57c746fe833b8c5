"""POST /api/v1/documents/search: each role finds what the database lets it, and a member of no project nothing."""

import pathlib
from collections.abc import AsyncIterator

import console_auth
import console_lab
import console_world
import embedding_toy
import pytest
from console_fixtures import auth
from store_fixtures import database, server, store

from workbenchx.engine import indexer
from workbenchx.providers.storage import local
from workbenchx.store import documents, embedded, postgres

__all__ = ["auth", "database", "server", "store"]


@pytest.fixture
async def lab(
    server: embedded.Server,
    database: str,
    store: postgres.Postgres,
    auth: console_auth.SupabaseAuth,
    tmp_path: pathlib.Path,
) -> AsyncIterator[console_lab.Lab]:
    """A console that has an embedder, of an installation whose texts are indexed."""
    storage = local.LocalStorage(tmp_path / "storage")
    await console_world.fill(store, storage)
    toy = embedding_toy.Toy()
    shelf = documents.Documents(store.connections)
    assert await indexer.Indexer(shelf, storage, toy, holder="test").index()
    async with console_lab.lab(server, database, auth, tmp_path, embedder=toy) as found:
        yield found


@pytest.mark.parametrize(
    ("role", "iris", "other"),
    [("outsider", False, False), ("viewer", True, False), ("admin", True, False), ("platform", True, True)],
)  # fmt: skip
async def test_each_role_finds_its_own(
    lab: console_lab.Lab, role: str, iris: bool, other: bool
) -> None:
    """Passages of one's projects alone; of another's, and of one that is not there, the same nothing."""
    async with lab.client(role) as client:
        for project, mine in (("iris", iris), ("other", other), ("nowhere", False)):
            asked = {"project": project, "query": "RunnerJob job", "limit": 3}
            answer = await client.post("/api/v1/documents/search", json=asked)
            assert answer.status_code == 200
            found = answer.json()
            assert (found["model"], found["indexed"]) == ("toy", mine)
            sources = [hit["source"] for hit in found["items"]]
            assert (f"RunnerJob/{project}/job" in sources[:1]) is mine
            assert bool(sources) is mine


async def test_who_did_not_sign_in_may_not_ask(lab: console_lab.Lab) -> None:
    """401, and no text is embedded for nobody; a query of blanks finds passages of score 0."""
    asked = {"project": "iris", "query": " "}
    async with lab.client() as client:
        assert (await client.post("/api/v1/documents/search", json=asked)).status_code == 401
    async with lab.client("viewer") as client:
        found = (await client.post("/api/v1/documents/search", json=asked)).json()
        assert {hit["score"] for hit in found["items"]} == {0}
