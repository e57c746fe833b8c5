"""Search over 100,000 chunks: ours, as a member under row-level security, beside a bare HNSW query.

Ours is `ops.search_documents` in one project, in a transaction that has taken the member's role and claims; and, told
beside it, the whole of a request in the database, as the API sends it: begin, role and claims travel with the search. The bare side is a plain table of the same rows with one HNSW index over all of them, made with the same
parameters and asked with the same `ef_search`, as the owner: no project, no policy, no transaction of its own.

The vectors are as a model gives them: topics of unequal size, each project with topics of its own, all in the
embedder's 256 dimensions, drawn from a seed. A query is a text of the project with other words (its vector, moved); it
was not indexed. The truth is computed by looking at all vectors.
"""

import asyncio
import contextlib
import dataclasses
import pathlib
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Sequence

import harness
import numpy as np
import psycopg
from psycopg import sql

from workbenchx.planner import model
from workbenchx.ports import Batch, RowWrite
from workbenchx.store import bootstrap, callers, documents, embedded, migrate, postgres

DIMENSIONS, WANTED, EF_SEARCH = 256, 10, 200
SHARES = (0.5, 0.25, 0.12, 0.06, 0.03, 0.02, 0.01, 0.005, 0.003, 0.002)
MEMBER = "aaaaaaaa-0000-4000-8000-000000000001"
STRANGER = "eeeeeeee-0000-4000-8000-000000000002"
BODY = (
    "A chunk is about nine hundred characters of somebody's text, and comes back with the hit. "
    * 10
)
Vectors = np.ndarray[tuple[int, int], np.dtype[np.float32]]


@dataclasses.dataclass(frozen=True, slots=True)
class Project:
    """A project's vectors and the queries about it."""

    name: str
    id: str
    vectors: Vectors
    queries: Vectors

    def nearest(self, number: int, found: Sequence[int]) -> float:
        """Which part of the truly nearest were found; what is as near as the last of them counts, too."""
        nearness = self.vectors @ self.queries[number]
        wanted = min(WANTED, len(nearness))
        bound = np.partition(nearness, -wanted)[-wanted] - 1e-3
        return sum(bool(nearness[each] >= bound) for each in set(found)) / wanted


def measure(small: bool) -> list[harness.Row]:
    """Both sides, query by query in turn."""
    projects = world(1_500 if small else 100_000, queries=10 if small else 60)
    with tempfile.TemporaryDirectory(prefix="wbx-bench-") as folder:
        home = pathlib.Path(folder)
        home.chmod(0o755)
        try:
            return asyncio.run(both(home, projects, small=small))
        finally:
            asyncio.run(embedded.stop(home))


def world(count: int, *, queries: int) -> list[Project]:
    """Projects of unequal size."""
    draw = np.random.default_rng(20261125)
    plane = unit(draw.standard_normal((48, DIMENSIONS)))
    topics = unit(draw.standard_normal((max(20, count // 50), 48)) @ plane)
    found = []
    for number, share in enumerate(SHARES):
        size = max(20, int(count * share))
        own = draw.permutation(len(topics))[: max(5, int(len(topics) * share) + 5)]
        weights = 1 / np.arange(1, len(own) + 1) ** 0.7
        chosen = draw.choice(own, size=size + queries, p=weights / weights.sum())
        spread = draw.standard_normal((size + queries, DIMENSIONS)) / np.sqrt(DIMENSIONS)
        vectors = unit(topics[chosen] + 0.8 * spread)
        project = Project(f"p{number}", str(uuid.uuid4()), vectors[queries:], vectors[:queries])
        found.append(project)
    return found


def unit(vectors: np.ndarray) -> Vectors:
    """Each of length 1."""
    found: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return found


async def both(
    home: pathlib.Path, projects: Sequence[Project], *, small: bool
) -> list[harness.Row]:
    """Fill, ask, compare."""
    server = await embedded.ensure_running(home)
    admin = server.url_for(embedded.ADMINISTRATOR, "postgres")
    await bootstrap.bootstrap(admin, database="search")
    await migrate.apply(server.url_for("wbx_migrate", "search"), environment="bench")
    await declare(server, projects)
    async with await psycopg.AsyncConnection.connect(
        server.url_for("wbx_migrate", "search"), autocommit=True
    ) as owner:
        await fill(owner, projects)
        if small:  # few chunks are all looked at; one project shall show what its index finds
            await owner.execute(
                "update ops.document_sets set chunks = 1000000 where project_id = %s",
                (projects[0].id,),
            )
        api = callers.Callers(server.url_for("wbx_api", "search"), most=1)
        try:
            await isolated(api, projects)
            return await ask(api, owner, projects, small=small)
        finally:
            await api.close()


async def declare(server: embedded.Server, projects: Sequence[Project]) -> None:
    """The projects' rows; all of one member."""
    store = postgres.Postgres(server.url_for("wbx_engine", "search"))
    try:
        epoch = await store.acquire_leader("bench", 60)
        assert epoch is not None
        spec = {"members": [{"user": MEMBER, "role": "viewer"}]}
        rows = [
            RowWrite(
                model.Declared(model.Key("Project", "", each.name), each.name, spec, "a" * 64),
                each.id,
                model.Action.CREATE,
                model.Because.NEW,
            )
            for each in projects
        ]
        assert await store.settle(epoch, Batch(run_id=str(uuid.uuid4()), rows=rows))
    finally:
        await store.close()


async def fill(owner: psycopg.AsyncConnection, projects: Sequence[Project]) -> None:
    """Rows of all projects, in the parts that the product makes; and the bare table of the same rows."""
    await owner.execute("set maintenance_work_mem = '512MB'")
    for each in projects:
        made = (each.id, "bench", DIMENSIONS)
        await owner.execute("select ops_private.ensure_documents(%s, %s, %s)", made)
        index, definition = await index_of(owner, each.id)
        await owner.execute(sql.SQL("drop index ops_private.{}").format(sql.Identifier(index)))
        await load(owner, each)
        await owner.execute(definition.encode())
    await owner.execute("create schema bare")
    exact = sql.SQL(
        "create table bare.documents (like ops.documents, exact extensions.halfvec({}))"
    )
    await owner.execute(exact.format(DIMENSIONS))
    await owner.execute("insert into bare.documents select *, embedding from ops.documents")
    await owner.execute(
        "create index on bare.documents using hnsw (exact extensions.halfvec_ip_ops)"
        " with (m = 24, ef_construction = 200)"
    )
    await owner.execute("vacuum analyze ops.documents")
    await owner.execute("vacuum analyze bare.documents")


async def index_of(owner: psycopg.AsyncConnection, project: str) -> tuple[str, str]:
    """Name and definition of a part's HNSW index: many rows are faster indexed at once than one by one."""
    cursor = await owner.execute(
        "select c.relname, pg_get_indexdef(c.oid) from pg_class c join pg_am a on a.oid = c.relam"
        " join pg_index i on i.indexrelid = c.oid"
        " where a.amname = 'hnsw' and i.indrelid = "
        "(select oid from pg_class where relname = ops_private.documents_part(%s))",
        (project,),
    )
    (found,) = await cursor.fetchall()
    return found


async def load(owner: psycopg.AsyncConnection, project: Project) -> None:
    """A project's rows."""
    async with copying(owner, "ops.documents") as copy:
        for number, vector in enumerate(project.vectors):
            await copy.write_row(row(project.id, number, vector))
    await owner.execute(
        "update ops.document_sets set chunks = %s where project_id = %s",
        (len(project.vectors), project.id),
    )


@contextlib.asynccontextmanager
async def copying(owner: psycopg.AsyncConnection, table: str) -> AsyncIterator[psycopg.AsyncCopy]:
    """COPY of the columns that `row` gives."""
    columns = "project_id, source, chunk, line, start_at, end_at, body, sha256, model, embedding"
    statement = f"copy {table} ({columns}) from stdin"
    async with owner.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        yield copy


def row(project: str, number: int, vector: np.ndarray) -> tuple[object, ...]:
    """One chunk. Its number says which vector it is."""
    digest = f"{number:064x}"
    return (
        project,
        f"f{number % 97}.md",
        number,
        1,
        0,
        len(BODY),
        BODY,
        digest,
        "bench",
        text(vector),
    )


def text(vector: np.ndarray) -> str:
    """A vector as Postgres reads it."""
    return "[" + ",".join(f"{value:.5f}" for value in vector) + "]"


async def isolated(api: callers.Callers, projects: Sequence[Project]) -> None:
    """A stranger finds nothing in any project."""
    for each in projects:
        async with api.reading({"sub": STRANGER}).transaction() as conn:
            assert await documents.search(conn, each.name, each.queries[0].tolist()) == []


async def ask(
    api: callers.Callers,
    owner: psycopg.AsyncConnection,
    projects: Sequence[Project],
    *,
    small: bool,
) -> list[harness.Row]:
    """Every query on both sides, in turn; the first of each project warms up."""
    await owner.execute(sql.SQL("set hnsw.ef_search = {}").format(EF_SEARCH))
    everything = np.concatenate([each.vectors for each in projects])
    whole = {
        number: Project("", "", everything, each.queries) for number, each in enumerate(projects)
    }
    offsets = np.cumsum([0, *(len(each.vectors) for each in projects)])
    starts = {each.id: int(at) for each, at in zip(projects, offsets, strict=False)}
    found: list[tuple[float, float]] = []
    requests: list[tuple[float, float]] = []
    rows = []
    recalls: list[tuple[float, float]] = []
    for number, each in enumerate(projects):
        taken = []
        for query, vector in enumerate(each.queries):
            ours, request, mine = await member(api, each.name, vector, request_first=query % 2 == 1)
            theirs, bare = await bare_query(owner, vector)
            taken.append((ours, theirs))
            requests.append((request, theirs))
            places = [starts[project] + chunk for project, chunk in bare]
            recalls.append((each.nearest(query, mine), whole[number].nearest(query, places)))
        found += taken[1:]
        if number in {0, 3, 6}:
            rows.append(compared(f"- in the project of {len(each.vectors):,}", taken[1:]))
    ours, theirs = (float(np.mean(column)) for column in zip(*recalls, strict=True))
    assert ours >= 0.95, f"recall {ours}"
    if small:
        return []
    return [
        compared(f"search in one of {len(projects)} projects, {len(everything):,} chunks", found),
        *rows,
        compared("- with the transaction of the request", requests),
        harness.Row(
            f"- recall at {WANTED}, of {len(recalls)} queries", ours, theirs, "", None, True
        ),
    ]


def compared(what: str, taken: Sequence[tuple[float, float]]) -> harness.Row:
    """The medians in milliseconds."""
    ours, theirs = (harness.median(list(column)) * 1000 for column in zip(*taken, strict=True))
    return harness.Row(what, ours, theirs, "ms", None if what.startswith("-") else 1.5)


async def member(
    api: callers.Callers, project: str, vector: np.ndarray, *, request_first: bool
) -> tuple[float, float, list[int]]:
    """Seconds of the search alone, and of a whole request; and the chunks. Each is first, and cold, every other time."""
    asked = vector.tolist()
    whole = await request(api, project, asked) if request_first else 0.0
    async with api.reading({"sub": MEMBER}).transaction() as conn:
        started = time.perf_counter()
        found = await documents.search(conn, project, asked, WANTED, model="bench")
        took = time.perf_counter() - started
    whole = whole or await request(api, project, asked)
    return took, whole, [hit["chunk"] for hit in found]


async def request(api: callers.Callers, project: str, asked: list[float]) -> float:
    """Seconds of one request in the database."""
    started = time.perf_counter()
    async with api.reading({"sub": MEMBER}).transaction(pipelined=True) as conn:
        assert await documents.search(conn, project, asked, WANTED, model="bench")
    return time.perf_counter() - started


async def bare_query(
    owner: psycopg.AsyncConnection, vector: np.ndarray
) -> tuple[float, list[tuple[str, int]]]:
    """Seconds of one query, and whose chunks."""
    asked = text(vector)
    started = time.perf_counter()
    cursor = await owner.execute(
        "select source, chunk, line, start_at, end_at, body, project_id::text from bare.documents"
        " order by exact operator(extensions.<#>) %s::extensions.halfvec limit %s",
        (asked, WANTED),
    )
    found = await cursor.fetchall()
    return time.perf_counter() - started, [(hit[6], hit[1]) for hit in found]


if __name__ == "__main__":
    harness.main(measure)
