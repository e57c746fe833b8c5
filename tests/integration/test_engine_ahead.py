"""Planning for a reading while it is recorded."""

import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx import ports
from workbenchx.engine import clock, loop, mirror
from workbenchx.planner import model
from workbenchx.store import postgres

__all__ = ["database", "server", "store"]

IRIS = worlds.declared(worlds.PROJECT, {"members": []})
A = worlds.declared(model.Key("Dataset", "iris", "a"))
B = worlds.declared(model.Key("Dataset", "iris", "b"))


class Overtaken(postgres.Postgres):
    """A store where another reading of the same source is recorded first."""

    first: mirror.Reading | None = None

    async def mirror(self, *parts: object, **named: object) -> ports.MirrorResult:
        """Record the other one, once, then this one."""
        reading, self.first = self.first, None
        if reading is not None:
            await mirror.record(self, reading)
        return await super().mirror(*parts, **named)  # type: ignore[arg-type] # handed on as they came


def engine_on(store: postgres.Postgres, reading: mirror.Reading) -> loop.Engine:
    """An engine that has this reading to record."""
    return loop.Engine(
        store, clock=clock.SystemClock(), policy=model.Policy(), holder="test", reading=reading
    )


async def recorded(store: postgres.Postgres) -> dict[str, bool]:
    """The living rows and whether they are Ready."""
    return {row.key.name: row.ready for row in (await worlds.world(store)).recorded}


async def test_one_pass_records_the_reading_and_its_rows(store: postgres.Postgres) -> None:
    """The plan is the one for the world after the reading; the pass that wrote rows alone is the last one."""
    engine = engine_on(store, mirror.Reading(rows=(IRIS, A)))
    engine.epoch = await worlds.lead(store)

    done = await engine.reconcile()

    assert (done.wrote, done.settled) == (True, True)
    assert await recorded(store) == {"iris": True, "a": True}
    assert (await engine.reconcile()).batch.empty


async def test_a_reading_that_was_overtaken_is_planned_anew(store: postgres.Postgres) -> None:
    """Somebody recorded other files of the source meanwhile: what counts is what the table says in the end."""
    late = Overtaken(store.connections.url)
    late.first = mirror.Reading(rows=(IRIS, B), complete=True)
    engine = engine_on(late, mirror.Reading(rows=(IRIS, A), complete=False))
    engine.epoch = await worlds.lead(store)

    done = await engine.reconcile()
    await late.close()

    assert {step.subject.name for step in done.plan.steps} == {"iris", "a", "b"}
    assert await recorded(store) == {"iris": True, "a": True, "b": True}
