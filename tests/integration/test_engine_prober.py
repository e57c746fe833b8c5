"""Served apps are asked again after they became Ready."""

import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx import ports
from workbenchx.engine import prober
from workbenchx.planner import model
from workbenchx.store import postgres

__all__ = ["database", "server", "store"]

APP = model.Key("AppDeployment", "iris", "which")
BOX = "wbx-1-1-1"
HEALTH: dict[str, object] = {
    "path": "/ok",
    "port": 8080,
    "interval": 0.0,
    "timeout": 1.5,
    "failures": 2,
}


class Answers:
    """What the app answers, and what was asked of it."""

    def __init__(self) -> None:
        self.well = True
        self.asked: list[tuple[str, float]] = []

    async def __call__(self, url: str, seconds: float) -> bool:
        """One question."""
        self.asked.append((url, seconds))
        return self.well


async def serving(store: postgres.Postgres, health: dict[str, object]) -> None:
    """An app that runs: its row, the run that brought it up, and a look that saw it."""
    epoch = await worlds.lead(store)
    rows = [worlds.declared(worlds.PROJECT), worlds.declared(APP)]
    await store.mirror(worlds.SOURCE, rows, complete=True, commit="c1")
    written = [worlds.created(row) for row in rows]
    await store.settle(epoch, worlds.batch(rows=written))
    document = {"command": ["serve"], "health": health}
    run = await worlds.claimed(
        store, written[1].uid, key=APP, operation="create", document=document
    )
    facts = {"external_id": BOX, "url": "http://a/", "urls": {"8080": "http://b/"}}
    await store.finish(run.run_id, run.fencing, worlds.outcome(facts=facts))
    await see(store)


async def see(store: postgres.Postgres) -> None:
    """A bulk look at the provider, which knows nothing of health."""
    status = ports.SandboxStatus(name=BOX, state="running", tags={}, fields={"cpu": 1})
    seen = ports.Observation(objects=(status,), complete=True, at=worlds.now())
    await store.record_observation("local", seen)


async def healthy(store: postgres.Postgres) -> object:
    """What the planner is told."""
    (seen,) = (await worlds.world(store)).observed
    return seen.fields.get("healthy")


async def test_an_app_that_stops_answering_is_told_and_so_is_its_recovery(
    store: postgres.Postgres,
) -> None:
    """After as many bad answers in a row as its document says; later looks at the provider keep that."""
    await serving(store, HEALTH)
    answers = Answers()
    asking = prober.Prober(store, answers)

    await asking.look()
    assert (answers.asked, await healthy(store)) == ([("http://b/ok", 1.5)], None)
    answers.well = False
    await asking.look()
    assert await healthy(store) is None
    await asking.look()
    await see(store)
    assert await healthy(store) is False
    assert [app.healthy for app in await store.served()] == [False]
    answers.well = True
    await asking.look()
    assert await healthy(store) is True


async def test_an_app_is_asked_when_it_is_due(store: postgres.Postgres) -> None:
    """Not before its interval is over."""
    await serving(store, HEALTH | {"interval": 3600.0})
    answers = Answers()
    asking = prober.Prober(store, answers)

    await asking.look()
    await asking.look()

    assert len(answers.asked) == 1
