"""`ops.documents`: written under a token, read under row-level security, searched through one function."""

import contextlib
import hashlib
import math
import random
from collections.abc import AsyncIterator, Sequence
from typing import Any

import psycopg
import pytest
import store_postgres15
import store_server
import store_worlds as worlds
from psycopg import sql
from store_fixtures import database, server, store

from workbenchx import errors, ports
from workbenchx.planner import model
from workbenchx.store import bootstrap, callers, connections, documents, embedded, migrate, postgres

__all__ = ["database", "server", "store"]

ADA = "aaaaaaaa-0000-4000-8000-000000000001"
EVE = "eeeeeeee-0000-4000-8000-000000000002"
MODEL, RECIPE, DIMENSIONS = "toy", "1", 8


def vector(seed: str, dimensions: int = DIMENSIONS) -> list[float]:
    """A vector of length 1 that belongs to a text."""
    draw = random.Random(digest(seed))
    found = [draw.gauss(0, 1) for _ in range(dimensions)]
    length = math.hypot(*found)
    return [value / length for value in found]


def digest(text: str) -> str:
    """The sha256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def chunks(source: str, *texts: str) -> list[ports.Chunk]:
    """A source of these chunks."""
    return [
        ports.Chunk(source, number, number + 1, number, number + len(text), text, digest(text))
        for number, text in enumerate(texts)
    ]


async def projects(store: postgres.Postgres, *names: str, epoch: int | None = None) -> int:
    """Projects of Ada's (but "other", of nobody)."""
    epoch = epoch or await worlds.lead(store)
    members = [{"user": ADA, "role": "viewer"}]
    rows = [
        worlds.created(
            worlds.declared(
                model.Key("Project", "", name), {"members": [] if name == "other" else members}
            )
        )
        for name in names
    ]
    await store.mirror("s", [row.declared for row in rows], complete=False, commit=None)
    await store.settle(epoch, worlds.batch(rows=rows))
    return epoch


class Index:
    """One project's index, filled as the engine fills it."""

    def __init__(self, store: postgres.Postgres) -> None:
        self.documents = documents.Documents(store.connections)

    async def due(self, project: str) -> ports.IndexDue:
        """What is to be done for the project."""
        (due,) = await self.documents.due(MODEL, RECIPE, project)
        return due

    async def fill(self, project: str, parts: Sequence[ports.Chunk]) -> ports.IndexDue:
        """The project's index is exactly these chunks."""
        due = await self.due(project)
        token = await self.documents.claim(due.project_id, MODEL, DIMENSIONS, holder="t", lease=60)
        assert token is not None
        assert await self.write(due, token, parts)
        sources = sorted({part.source for part in parts})
        counts = ports.IndexCounts(len(sources), len(parts))
        assert await self.documents.finish(due, token, counts, sources)
        return due

    async def write(
        self, due: ports.IndexDue, token: int, parts: Sequence[ports.Chunk], *, embed: bool = True
    ) -> bool:
        """One batch that ends each of its sources."""
        ends = {part.source: part.number + 1 for part in parts}
        vectors = {part.sha256: vector(part.body) for part in parts if embed}
        batch = ports.ChunkBatch(parts, vectors, ends)
        return await self.documents.write(due, token, batch, model=MODEL, lease=60)


@pytest.fixture
def index(store: postgres.Postgres) -> Index:
    """The engine's side."""
    return Index(store)


async def rows(server: embedded.Server, database: str, query: str) -> list[tuple[Any, ...]]:
    """As the owner."""
    async with await psycopg.AsyncConnection.connect(
        server.url_for("wbx_migrate", database)
    ) as conn:
        return await (await conn.execute(query.encode())).fetchall()


class Asking:
    """Callers of one database."""

    def __init__(self, server: embedded.Server, database: str) -> None:
        self._url = server.url_for("wbx_api", database)

    @contextlib.asynccontextmanager
    async def caller(self, sub: str | None) -> AsyncIterator[connections.Connection]:
        """A transaction of somebody; None: of nobody."""
        api = callers.Callers(self._url, most=1)
        try:
            who = api.reading({"sub": sub}) if sub else api.nobody()
            async with who.transaction() as conn:
                yield conn
        finally:
            await api.close()

    async def hits(self, sub: str, project: str, text: str, limit: int = 10) -> list[str]:
        """What a caller finds: the bodies."""
        async with self.caller(sub) as conn:
            found = await documents.search(conn, project, vector(text), limit, model=MODEL)
            return [row["body"] for row in found]


@pytest.fixture
def ask(server: embedded.Server, database: str) -> Asking:
    """Callers of this test's database."""
    return Asking(server, database)


async def test_the_nearest_come_first(store: postgres.Postgres, index: Index, ask: Asking) -> None:
    """A member finds the chunk whose vector is the query's first, with its place and score 1; as many as asked for."""
    await projects(store, "iris")
    await index.fill("iris", [*chunks("a.md", "one", "two"), *chunks("b.md", "three")])
    async with ask.caller(ADA) as conn:
        found = await documents.search(conn, "iris", vector("two"), 2)
    assert len(found) == 2
    assert found[0]["score"] == pytest.approx(1, abs=0.002)
    assert found[0]["score"] > found[1]["score"]
    del found[0]["score"]
    assert found[0] == {
        "source": "a.md", "chunk": 1, "line": 2, "start_at": 1, "end_at": 4, "body": "two",
    }  # fmt: skip
    assert await index.documents.due(MODEL, RECIPE, "iris") == []


async def test_strangers_find_nothing(store: postgres.Postgres, index: Index, ask: Asking) -> None:
    """No hits in a project that the caller is no member of, by whatever way; anon may not even ask."""
    await projects(store, "iris", "other")
    await index.fill("iris", chunks("a.md", "mine"))
    await index.fill("other", chunks("a.md", "theirs"))
    assert await ask.hits(ADA, "iris", "mine") == ["mine"]
    assert await ask.hits(ADA, "other", "theirs") == []
    assert await ask.hits(EVE, "iris", "mine") == []
    assert await ask.hits(ADA, "nowhere", "mine") == []
    async with ask.caller(ADA) as conn:
        found = await conn.execute("select body from ops.documents")
        assert await found.fetchall() == [("mine",)]
        found = await conn.execute("select count(*) from ops.document_sets")
        assert await found.fetchall() == [(1,)]
    with pytest.raises(errors.Stalled, match="permission denied"):
        async with ask.caller(None) as conn:
            await documents.search(conn, "iris", vector("mine"))
    with pytest.raises(errors.Stalled, match="permission denied"):
        async with ask.caller(None) as conn:
            await conn.execute("select 1 from ops.documents")


async def test_a_part_is_reached_through_the_table_alone(
    store: postgres.Postgres, index: Index, server: embedded.Server, database: str
) -> None:
    """Nobody may read a project's part of the table beside its policies, the engine neither."""
    await projects(store, "iris")
    await index.fill("iris", chunks("a.md", "one"))
    found = await rows(
        server,
        database,
        "select c.relname, c.relrowsecurity, has_table_privilege('authenticated', c.oid, 'select'),"
        " has_table_privilege('service_role', c.oid, 'select') from pg_class c"
        " where c.relispartition and c.relnamespace = 'ops_private'::regnamespace and c.relkind = 'r'",
    )
    assert [row[1:] for row in found] == [(True, False, False)]


async def test_a_buried_project_is_not_found(
    store: postgres.Postgres, index: Index, ask: Asking, server: embedded.Server, database: str
) -> None:
    """Its chunks are hidden at once, for its members and the engine, and gone after the next sweep; others stay."""
    epoch = await projects(store, "iris", "rose")
    due = await index.fill("iris", chunks("a.md", "one"))
    await index.fill("rose", chunks("a.md", "one"))
    buried = (model.Key("Project", "", "iris"), due.project_id)
    tombstone = (*buried, model.Because.NOT_DECLARED, model.Action.DELETE)
    await store.settle(epoch, worlds.batch(tombstones=[tombstone]))
    assert await ask.hits(ADA, "iris", "one") == []
    async with store.connections.transaction() as conn:
        assert await documents.search(conn, "iris", vector("one")) == []
    assert await index.documents.due(MODEL, RECIPE, "iris") == []
    await index.documents.drop_buried()
    left = await rows(
        server,
        database,
        "select count(*) from ops.documents union all select count(*) from ops.document_sets",
    )
    assert left == [(1,), (1,)]
    assert await ask.hits(ADA, "rose", "one") == ["one"]
    with pytest.raises(errors.Conflict):
        await index.documents.claim(due.project_id, MODEL, DIMENSIONS, holder="t", lease=60)


async def test_a_living_project_is_never_dropped(
    store: postgres.Postgres, index: Index, ask: Asking
) -> None:
    """The engine may ask for it: the function refuses."""
    await projects(store, "iris")
    due = await index.fill("iris", chunks("a.md", "one"))
    async with store.connections.transaction() as conn:
        found = await conn.execute("select ops_private.drop_documents(%s)", (due.project_id,))
        assert await found.fetchall() == [(False,)]
    assert await ask.hits(ADA, "iris", "one") == ["one"]


async def test_known_text_needs_no_vector(
    store: postgres.Postgres, index: Index, ask: Asking, server: embedded.Server, database: str
) -> None:
    """Text that is there, in whatever source, takes its vector from there; what has not changed keeps its row."""
    await projects(store, "iris")
    due = await index.fill("iris", chunks("a.md", "one", "two", "three"))
    before = await rows(
        server, database, "select xmin::text, body from ops.documents where body = 'one'"
    )
    token = await index.documents.claim(due.project_id, MODEL, DIMENSIONS, holder="t", lease=60)
    assert token is not None
    assert await index.documents.known(due.project_id, [digest("two"), digest("new")]) == {
        digest("two")
    }
    moved = [*chunks("a.md", "one", "three"), *chunks("b.md", "two")]
    assert await index.write(due, token, moved, embed=False)
    assert await index.documents.finish(due, token, ports.IndexCounts(2, 3), ["a.md", "b.md"])
    assert await ask.hits(ADA, "iris", "two", 1) == ["two"]
    assert await ask.hits(ADA, "iris", "three", 1) == ["three"]
    assert len(await ask.hits(ADA, "iris", "one")) == 3
    after = await rows(
        server, database, "select xmin::text, body from ops.documents where body = 'one'"
    )
    assert after == before


async def test_a_stale_token_writes_nothing(
    store: postgres.Postgres, index: Index, server: embedded.Server, database: str
) -> None:
    """Whoever lost the project to another neither writes nor finishes; a lease that lives is not taken."""
    await projects(store, "iris")
    due = await index.due("iris")
    first = await index.documents.claim(due.project_id, MODEL, DIMENSIONS, holder="a", lease=60)
    assert first is not None
    take = (due.project_id, MODEL, DIMENSIONS)
    assert await index.documents.claim(*take, holder="b", lease=60) is None
    assert await index.documents.holders() == ["a"]
    await index.documents.release_holder("a")
    second = await index.documents.claim(*take, holder="b", lease=60)
    assert second is not None
    assert second > first
    assert not await index.write(due, first, chunks("a.md", "one"))
    assert not await index.documents.finish(due, first, ports.IndexCounts(), [])
    await index.documents.release(due.project_id, first)
    assert await index.documents.claim(*take, holder="c", lease=60) is None
    assert await index.write(due, second, chunks("a.md", "one"))
    assert await rows(server, database, "select body from ops.documents") == [("one",)]


async def test_another_model_starts_anew(
    store: postgres.Postgres, index: Index, ask: Asking, server: embedded.Server, database: str
) -> None:
    """Vectors of two models never lie together: the other model's part begins empty, and the old one's queries say so."""
    await projects(store, "iris")
    due = await index.fill("iris", chunks("a.md", "one"))
    token = await index.documents.claim(due.project_id, "wide", 16, holder="t", lease=60)
    assert token is not None
    assert await rows(server, database, "select count(*) from ops.documents") == [(0,)]
    with pytest.raises(psycopg.errors.CheckViolation):
        await index.write(due, token, chunks("a.md", "one"))
    with pytest.raises(errors.Stalled, match='indexed by model "wide" of 16') as refused:
        await ask.hits(ADA, "iris", "one")
    assert refused.value.reason == "EmbeddingMismatch"


async def test_odd_letters_are_kept(store: postgres.Postgres, index: Index, ask: Asking) -> None:
    """What Postgres refuses (NUL, half of a pair) is replaced, one for one; all else comes back as it was."""
    await projects(store, "iris")
    odd = "z\u0301 \U0001f427\u200d\u2764 \u202e \x07 \\u0000 ' %s"
    await index.fill("iris", chunks("ä/\U0001f427.md", odd, "nul \x00 and half \ud800"))
    found = await ask.hits(ADA, "iris", odd)
    assert found[0] == odd
    assert set(found) == {odd, "nul \ufffd and half ?"}


async def test_a_database_without_pgvector_says_so(server: embedded.Server) -> None:
    """Migrated without it, searching says why it is off; once it is there, `wbx db bootstrap` and `migrate` make all."""
    async with store_server.database(server) as name:
        admin = store_server.administrator(server, name)
        async with (
            await psycopg.AsyncConnection.connect(admin, autocommit=True) as owner,
            store_server.opened(server.url_for("wbx_engine", name)) as store,
        ):
            await owner.execute("drop table ops.documents; drop extension vector")
            await projects(store, "iris")
            index = Index(store)
            assert "wbx db migrate" in (await index.documents.off() or "")
            due = await index.due("iris")
            for ask in (
                index.documents.claim(due.project_id, MODEL, DIMENSIONS, holder="t", lease=1),
                Asking(server, name).hits(ADA, "iris", "one"),
            ):
                with pytest.raises(errors.Stalled, match=r"retrieval is off: .*wbx db") as told:
                    await ask
                assert told.value.reason == "RetrievalOff"
            await owner.execute(
                sql.SQL("comment on database {} is {}").format(
                    sql.Identifier(name), sql.Literal(f"{bootstrap._MARK} without pgvector")
                )
            )
            await bootstrap.bootstrap(store_server.administrator(server), database=name)
            assert "after the migrations" in (await index.documents.off() or "")
            for _ in range(2):
                assert await migrate.apply(server.url_for("wbx_migrate", name)) == []
            assert await index.documents.off() is None
            await index.fill("iris", chunks("a.md", "one"))
            assert await Asking(server, name).hits(ADA, "iris", "one") == ["one"]


async def test_the_oldest_postgres_works_without_pgvector(pytestconfig: pytest.Config) -> None:
    """Debian's Postgres 15 has none: all migrations apply, again too, and search says what to do."""
    old = store_postgres15.shared(pytestconfig)
    async with store_server.database(old) as name:
        assert await migrate.apply(old.url_for("wbx_migrate", name)) == []
        assert await rows(old, name, "select to_regclass('ops.documents')") == [(None,)]
        with pytest.raises(errors.Stalled, match="this server has no pgvector: install") as told:
            await Asking(old, name).hits(ADA, "iris", "one")
        assert told.value.reason == "RetrievalOff"
