"""The index of a project's texts, kept by the engine: real storage, real database, a toy embedder."""

import asyncio
import json
import pathlib
from collections.abc import Sequence

import beside
import embedding_toy
import psycopg
import pytest
import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx import errors, ports
from workbenchx.engine import corpus, indexer, mirror, snapshots
from workbenchx.planner import model
from workbenchx.providers.storage import local
from workbenchx.store import documents, embedded, postgres

__all__ = ["database", "server", "store"]


class Bench:
    """One project with a folder of code, and an indexer."""

    def __init__(self, store: postgres.Postgres, root: pathlib.Path) -> None:
        self.store = store
        self.storage = local.LocalStorage(root / "storage")
        self.code = root / "code"
        self.code.mkdir()
        self.embedder = embedding_toy.Toy()
        self.documents = documents.Documents(store.connections)
        self.indexer = self.another("a")
        self.epoch = 0

    def another(self, holder: str, embedder: ports.Embedder | None = None) -> indexer.Indexer:
        """An indexer of another process."""
        return indexer.Indexer(
            self.documents, self.storage, embedder or self.embedder, holder=holder
        )

    async def declare(self, **files: str | bytes | None) -> None:
        """The project with these files of code (None: removed; `_` for a dot), as `wbx up` mirrors it."""
        for name, content in files.items():
            path = self.code / name.replace("_", ".")
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        names = [f"code/{path.name}" for path in self.code.iterdir()]
        code = await snapshots.take(self.storage, self.code.parent, "code", names, None)
        rows = [
            worlds.declared(worlds.PROJECT, {"members": []}),
            worlds.declared(worlds.JOB, {"project": "iris", "command": ["ingest"]}),
        ]
        reading = mirror.Reading(rows, code={"iris": code})
        await mirror.record(self.store, reading)
        if not self.epoch:
            self.epoch = await worlds.lead(self.store)
            self.project = worlds.created(rows[0])
            await self.store.settle(self.epoch, worlds.batch(rows=[self.project]))

    async def search(self, query: str, limit: int = 3) -> list[str]:
        """Where the nearest chunks are."""
        (vector,) = await embedding_toy.Toy().embed([query])
        async with self.store.connections.transaction() as conn:
            found = await documents.search(conn, "iris", vector, limit)
        return [f"{row['source']}:{row['line']}" for row in found]

    async def state(self) -> ports.IndexCounts:
        """What the index says of itself."""
        async with self.store.connections.transaction() as conn:
            found = await documents.set_of(conn, "iris")
        return ports.IndexCounts(found["sources"], found["chunks"], found["skipped"])


@pytest.fixture
def bench(store: postgres.Postgres, tmp_path: pathlib.Path) -> Bench:
    """An empty project."""
    return Bench(store, tmp_path)


async def test_what_is_written_is_found(bench: Bench) -> None:
    """Files and declared resources; with the line where it stands."""
    text = (
        "# Birds\n\n" + "Nothing of note. " * 30 + "\n\n## Penguins\nPenguins swim far in winter.\n"
    )
    await bench.declare(birds_md=text, other_txt="Budgets are given in dollars.")
    assert await bench.indexer.index()
    assert (await bench.search("penguins swim in winter"))[0] == "birds.md:5"
    assert (await bench.search("budgets in dollars"))[0] == "other.txt:1"
    assert (await bench.search("RunnerJob ingest command"))[0] == "RunnerJob/iris/ingest:1"
    assert await bench.state() == ports.IndexCounts(3, 4, 0)


async def test_indexing_again_does_nothing(bench: Bench) -> None:
    """The same texts are neither read nor embedded again; a changed file embeds what changed of it alone."""
    await bench.declare(a_md="One penguin.", b_md="Two penguins.")
    assert await bench.indexer.index()
    assert await bench.another("b").index("iris")
    seen = len(bench.embedder.seen)
    await bench.declare()
    assert await bench.indexer.index()
    assert len(bench.embedder.seen) == seen == 3
    await bench.declare(b_md="Two penguins swim.")
    assert await bench.indexer.index()
    assert bench.embedder.seen[seen:] == ["b.md\n\nTwo penguins swim."]


async def test_what_is_gone_is_not_found(bench: Bench) -> None:
    """A file that vanished, and the end of one that became shorter."""
    long = "\n\n".join(
        f"Paragraph {number} about fish. " + "It goes on. " * 60 for number in range(4)
    )
    await bench.declare(a_md=long, b_md="About whales.")
    assert await bench.indexer.index()
    assert (await bench.state()).chunks >= 6
    await bench.declare(a_md="About fish.", b_md=None)
    assert await bench.indexer.index()
    assert await bench.state() == ports.IndexCounts(2, 2, 0)
    assert sorted(await bench.search("fish and whales", 10)) == [
        "RunnerJob/iris/ingest:1",
        "a.md:1",
    ]


async def test_bad_texts_hide_no_others(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Huge, binary, empty, odd letters, more chunks than a project may have: what can be indexed is."""
    monkeypatch.setattr(indexer, "MOST", 40)
    await bench.declare(
        huge_md=b"x" * (corpus.LARGEST + 1),
        binary_txt=b"a\0b",
        empty_md=b"",
        many_txt="A line. \n" * 20_000,
        odd_md="e\u0301 \U0001f427\u200d\U0001f9ca \u202e \x07 \\u0000 penguins",
        latin_txt=b"\xe9",
    )
    assert await bench.indexer.index()
    found = await bench.state()
    assert (found.sources, found.skipped) == (3, 4)
    assert (await bench.search("penguins"))[0] == "odd.md:1"
    assert await bench.indexer.index()


async def test_a_project_that_stalls_stops_no_other(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Without its snapshot a project keeps what is indexed, is told once, and goes on when its code changes."""
    await bench.declare(a_md="One penguin.")
    assert await bench.indexer.index()
    await bench.declare(a_md="Two penguins.")
    async for blob in bench.storage.list():
        await bench.storage.delete(blob.sha256)
    assert not await bench.indexer.index()
    assert not await bench.indexer.index()
    assert [record.message for record in caplog.records if "index" in record.message] == [
        record.message for record in caplog.records if "iris" in record.message
    ]
    assert len(caplog.records) == 1
    assert "a.md:1" in await bench.search("penguin")
    await bench.declare(a_md="Three penguins.")
    assert await bench.indexer.index()


class Failing:
    """An embedder that fails after some texts, or does something first."""

    name, dimensions = embedding_toy.Toy.name, embedding_toy.Toy.dimensions

    def __init__(self, problem: Exception) -> None:
        self.problem = problem
        self.calls = 0

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """The second call fails."""
        self.calls += 1
        if self.calls > 1:
            raise self.problem
        return await embedding_toy.Toy().embed(texts)


async def test_half_an_index_is_gone_on_with(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one pass wrote before it failed is not embedded again by the next, and the project is free at once."""
    monkeypatch.setattr(indexer, "BATCH", 4)
    await bench.declare(**{f"f{number}_md": f"About fish number {number}." for number in range(9)})
    with pytest.raises(errors.Waiting):
        await bench.another("b", Failing(errors.Waiting("later"))).index()
    assert len(await bench.search("fish", 10)) == 4
    assert await bench.indexer.index()
    assert len(bench.embedder.seen) == 6
    assert (await bench.state()).sources == 10


async def test_a_bug_stops_nothing_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What nobody foresaw is logged with its trace and stalls that project; whoever serves goes on."""
    monkeypatch.setattr(indexer, "BATCH", 1)
    await bench.declare(a_md="One penguin.", b_md="Two penguins.")
    assert not await bench.another("b", Failing(ZeroDivisionError("surprise"))).index()
    assert "a bug in WorkbenchX" in caplog.text
    assert "surprise" in caplog.text
    assert await bench.indexer.index()


async def test_two_indexers_do_the_work_of_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes second leaves the project to the first; whoever lost it writes nothing more."""
    monkeypatch.setattr(indexer, "BATCH", 2)
    await bench.declare(**{f"f{number}_md": f"About fish number {number}." for number in range(9)})
    done = await asyncio.gather(*(bench.another(name).index() for name in "bcd"))
    assert sorted(done) == [False, False, True]
    assert len(bench.embedder.seen) == 10
    await bench.declare(f0_md="About whales.")
    (due,) = await bench.documents.due("toy", corpus.RECIPE)

    class Robbed(embedding_toy.Toy):
        """Another takes the project while this one embeds."""

        async def embed(self, texts: Sequence[str]) -> list[list[float]]:
            await bench.documents.release_holder("slow")
            assert await bench.documents.claim(due.project_id, "toy", 32, holder="e", lease=60)
            return await super().embed(texts)

    assert not await bench.another("slow", Robbed()).index()
    assert "f0.md:1" in await bench.search("fish number 0", 1)


async def test_it_serves(bench: Bench) -> None:
    """Served, it indexes what is there, and what changes when it is woken."""
    await bench.declare(a_md="One penguin.")
    async with beside.running(bench.indexer.serve()):
        await until(bench, "One penguin", "a.md:1")
        await bench.declare(b_md="Two whales.")
        bench.indexer.wake()
        await until(bench, "Two whales", "b.md:1")


async def until(bench: Bench, query: str, place: str) -> None:
    """Look again and again until it is the nearest."""
    async with asyncio.timeout(120):
        while place not in await bench.search(query, 1):
            await asyncio.sleep(0.05)


async def test_another_model_indexes_anew(bench: Bench) -> None:
    """All texts are embedded by the new model; none of the old vectors is left."""

    class Other(embedding_toy.Toy):
        name, dimensions = "other", 16

    await bench.declare(a_md="One penguin.")
    assert await bench.indexer.index()
    other = Other()
    assert await bench.another("b", other).index()
    assert len(other.seen) == 2
    async with bench.store.connections.transaction() as conn:
        found = await conn.execute("select distinct model from ops.documents")
        assert await found.fetchall() == [("other",)]


async def test_a_lost_database_is_waited_for(
    bench: Bench, server: embedded.Server, database: str
) -> None:
    """Connections that die in the middle are Waiting, and the next pass goes on."""
    await bench.declare(a_md="One penguin.")

    class Cutting(embedding_toy.Toy):
        async def embed(self, texts: Sequence[str]) -> list[list[float]]:
            async with await psycopg.AsyncConnection.connect(
                server.url_for(embedded.ADMINISTRATOR, "postgres"), autocommit=True
            ) as admin:
                await admin.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
                    (database,),
                )
            return await super().embed(texts)

    with pytest.raises(errors.Waiting):
        await bench.another("a", Cutting()).index()
    await bench.documents.release_holder("a")
    assert await bench.indexer.index()
    assert json.dumps(await bench.search("One penguin", 1)) == '["a.md:1"]'


async def test_a_buried_project_is_removed(bench: Bench) -> None:
    """The next pass drops what is indexed of it."""
    await bench.declare(a_md="One penguin.")
    assert await bench.indexer.index()
    tombstone = (worlds.PROJECT, bench.project.uid, model.Because.NOT_DECLARED, model.Action.DELETE)
    await bench.store.settle(bench.epoch, worlds.batch(tombstones=[tombstone]))
    assert await bench.indexer.index()
    async with bench.store.connections.transaction() as conn:
        assert await (await conn.execute("select 1 from ops.document_sets")).fetchall() == []
