"""A pass over what was touched, instead of over the world."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator

import beside
import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx import ports
from workbenchx.engine import clock, loop
from workbenchx.planner import model
from workbenchx.store import cluster, postgres

__all__ = ["database", "server", "store"]

IRIS = worlds.declared(worlds.PROJECT, {"members": []})
LAB = worlds.declared(model.Key("Project", "", "lab"), {"members": []})
A = worlds.declared(model.Key("Dataset", "iris", "a"), {"project": "iris", "version": "1"})
TEAM = worlds.declared(
    model.Key("Source", "iris", "team"), {"project": "iris", "url": "https://example.com/team.git"}
)
LATER = worlds.declared(model.Key("Dataset", "iris", "b"), {"project": "later"})


def newer(row: model.Declared) -> model.Declared:
    """The same resource, another document."""
    return worlds.declared(row.key, {**row.spec, "description": "newer"})


class Told:
    """An engine that leads, whoever tells it what changed, and the passes that it made."""

    def __init__(self, store: postgres.Postgres) -> None:
        self.store = store
        self.passes: list[loop.Pass] = []
        self._seen = asyncio.Event()
        policy = model.Policy()
        self.engine = loop.Engine(
            store, clock=clock.SystemClock(), policy=policy, holder="test", told=True
        )

    def see(self, done: loop.Pass) -> None:
        """A pass was made."""
        self.passes.append(done)
        self._seen.set()

    async def declare(self, *rows: model.Declared, whole: bool = False) -> None:
        """Write documents and tell so."""
        assert self.engine.epoch is not None
        changes = cluster.Declarations(rows, (), complete=True)
        assert await self.store.declare(self.engine.epoch, "kubernetes", changes)
        self.engine.touch(None if whole else [row.key for row in rows])

    async def recorded(self, *rows: model.Declared) -> loop.Pass:
        """The pass that wrote these rows."""
        async with asyncio.timeout(120):
            while True:
                for done in self.passes:
                    if done.wrote and {row.key for row in rows} <= written(done):
                        return done
                self._seen.clear()
                await self._seen.wait()


def written(done: loop.Pass) -> set[model.Key]:
    """The rows of a pass, and what else was concluded anew."""
    rows = {row.declared.key for row in done.batch.rows}
    return rows | {verdict.key for _, verdict in done.batch.verdicts}


@contextlib.asynccontextmanager
async def serving(store: postgres.Postgres) -> AsyncIterator[Told]:
    """An engine at work on a world of two projects."""
    told = Told(store)
    async with beside.running(told.engine.serve(told.see)):
        async with asyncio.timeout(120):
            while told.engine.epoch is None:
                await asyncio.sleep(0.01)
        await told.declare(IRIS, LAB, A, whole=True)
        await told.recorded(IRIS, LAB, A)
        told.passes.clear()
        yield told


async def test_what_was_touched_is_judged_with_its_dependants(store: postgres.Postgres) -> None:
    """A changed Project takes its datasets along and nothing else; the rows say what is declared."""
    async with serving(store) as told:
        await told.declare(newer(IRIS))
        done = await told.recorded(IRIS)

    assert done.world.part == frozenset({IRIS.key, A.key})
    assert {row.key for row in done.world.declared} == {IRIS.key, A.key}
    assert {row.key: row.spec for row in (await worlds.world(store)).recorded} == {
        IRIS.key: newer(IRIS).spec,
        LAB.key: LAB.spec,
        A.key: A.spec,
    }


async def test_what_waited_for_it_is_judged_too(store: postgres.Postgres) -> None:
    """A dataset of a project that comes later is Ready as soon as that is there, though nobody touched it."""
    later = worlds.declared(model.Key("Project", "", "later"), {"members": []})
    async with serving(store) as told:
        await told.declare(LATER)
        await told.recorded(LATER)
        before = {row.key: row.ready for row in (await worlds.world(store)).recorded}
        await told.declare(later)
        done = await told.recorded(later)

    assert before[LATER.key] is False
    assert done.world.part == frozenset({later.key, LATER.key})
    assert {row.key: row.ready for row in (await worlds.world(store)).recorded}[LATER.key]


async def test_what_runs_is_judged_with_the_whole(store: postgres.Postgres) -> None:
    """A job is not judged alone, nor is anything that it refers to."""
    job = worlds.declared(worlds.JOB, {"project": "iris", "runtime": "py", "command": ["run"]})
    async with serving(store) as told:
        await told.declare(job)
        first = await told.recorded(job)
        await told.declare(newer(IRIS))
        second = await told.recorded(IRIS)

    assert (first.world.part, second.world.part) == (None, None)


async def test_only_others_wake_it(store: postgres.Postgres) -> None:
    """What this process writes it knows; an order that comes from elsewhere is a pass over the whole."""
    other = postgres.Postgres(store.connections.url)
    async with serving(store) as told:
        await told.declare(newer(A))
        await told.recorded(A)
        assert [done.world.part for done in told.passes] == [frozenset({A.key})]
        await other.intervene("suspend", A.key, {}, actor="ada")
        async with asyncio.timeout(120):
            while told.passes[-1].world.part is not None:
                await asyncio.sleep(0.01)
    await other.close()

    assert {row.key: row.reason for row in (await worlds.world(store)).recorded}[
        A.key
    ] == "Suspended"


async def test_what_a_worker_saw_of_a_source_is_judged_alone(store: postgres.Postgres) -> None:
    """A look at a repository is told as such, whatever it found: nothing else is planned anew."""
    other = postgres.Postgres(store.connections.url)
    async with serving(store) as told:
        await told.declare(TEAM)
        await told.recorded(TEAM)
        await other.due_sources("w1", lease=600, limit=1)
        for number in itertools.count():
            told.passes.clear()
            problem = ports.Problem("GitRefused", f"refused {number}", waits=False)
            assert await other.looked(
                "w1", "iris/team", seen=f"{number:040}", pause=0, problem=problem
            )
            if (await told.recorded(TEAM)).world.part == frozenset({TEAM.key}):
                break
            await other.due_sources("w1", lease=600, limit=1)
    await other.close()

    assert {row.key: row.message for row in (await worlds.world(store)).recorded}[
        TEAM.key
    ] == f"refused {number}"
    assert await named(store) == {frozenset({"Source"})}


async def named(store: postgres.Postgres) -> set[frozenset[str] | None]:
    """What is heard of a failed look, whose run and whose state are written at once."""
    changes = aiter(store.changes())
    async with asyncio.timeout(120):
        assert await anext(changes) is None
        await store.due_sources("w2", lease=600, limit=1)
        problem = ports.Problem("GitRefused", "refused again", waits=False)
        assert await store.looked("w2", "iris/team", seen="f" * 40, pause=0, problem=problem)
        heard = {await anext(changes)}
    await changes.aclose()  # type: ignore[attr-defined] # an async generator
    return heard


async def test_a_part_is_read_as_in_the_whole(store: postgres.Postgres) -> None:
    """The store gives of the judged, and of what they refer to, the very rows that the whole has."""
    async with serving(store) as told:
        await told.declare(LATER, newer(A))
        await told.recorded(LATER, A)
        judged = frozenset({LATER.key, A.key})
        whole = await worlds.world(store)
        part = await store.part(judged, now=whole.now, policy=whole.policy)

    read = judged | {IRIS.key}
    assert texts(part.declared) == sorted(repr(row) for row in whole.declared if row.key in read)
    assert texts(part.recorded) == sorted(repr(row) for row in whole.recorded if row.key in read)
    assert (part.mirrored, part.declared_complete) == (whole.mirrored, whole.declared_complete)


def texts(rows: tuple[object, ...]) -> list[str]:
    """The rows as texts."""
    return sorted(map(repr, rows))
