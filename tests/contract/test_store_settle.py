"""The laws of a pass: fenced, idempotent, told, and read back as the planner needs it."""

import dataclasses
import datetime
from typing import Any

import pytest
import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx import errors, ports
from workbenchx.api import registry
from workbenchx.planner import model
from workbenchx.store import answers, postgres, reads

__all__ = ["database", "server", "store"]


async def everything(store: postgres.Postgres) -> tuple[Any, ...]:
    """All that a batch may change, in a comparable form."""
    ask = reads.Reads(store.connections)
    rows = [{**row, "updated_at": None} for row in await ask.resources()]
    runs = [run["run_id"] for run in await ask.runs()]
    history = await ask.history(worlds.JOB)
    chains = [chain async for chain in ask.verify()]
    return rows, runs, history, chains


async def test_a_stale_epoch_writes_nothing(store: postgres.Postgres) -> None:
    """A leader that lost its lease to another is refused, whatever it holds."""
    epoch, uid = await worlds.project_with_job(store)
    await store.release_leader("test", epoch)
    assert await store.acquire_leader("other", 60) == epoch + 1
    before = await everything(store)
    late = worlds.batch(
        orders=[worlds.order(uid)],
        tombstones=[(worlds.JOB, uid, model.Because.NOT_DECLARED, model.Action.DELETE)],
    )
    assert not await store.settle(epoch, late)
    assert await everything(store) == before


async def test_leadership_is_one(store: postgres.Postgres) -> None:
    """Nobody leads beside a living lease; an expired one is taken; the loser notices."""
    first = await store.acquire_leader("a", 60)
    assert first is not None
    assert await store.acquire_leader("b", 60) is None
    assert await store.renew_leader("a", first, -1)
    second = await store.acquire_leader("b", 60)
    assert second == first + 1
    assert not await store.renew_leader("a", first, 60)
    await store.release_leader("a", first)
    assert await store.renew_leader("b", second, 60)


async def test_the_same_batch_twice_is_once(store: postgres.Postgres) -> None:
    """A retry after a lost answer changes nothing: rows, runs, history, chains."""
    epoch = await worlds.lead(store)
    rows = [
        worlds.declared(worlds.PROJECT, {"members": [{"user": "A@B.example", "role": "admin"}]}),
        worlds.declared(worlds.JOB),
    ]
    await store.mirror(worlds.SOURCE, rows, complete=True, commit="c1")
    writes = [worlds.created(row) for row in rows]
    once = worlds.batch(
        rows=writes,
        verdicts=[worlds.ready(write, url="u") for write in writes],
        orders=[worlds.order(writes[1].uid)],
    )
    assert await store.settle(epoch, once)
    before = await everything(store)
    assert await store.settle(epoch, once)
    assert await everything(store) == before


async def test_what_was_written_is_read_back(store: postgres.Postgres) -> None:
    """The world says what mirror and settle said, field by field."""
    epoch = await worlds.lead(store)
    rows = [
        worlds.declared(worlds.PROJECT, {"members": []}),
        worlds.declared(worlds.JOB, {"project": "iris", "command": ["a", "b\"'\\"]}),
    ]
    code = {"iris": model.Code("f" * 64, "c1")}
    await store.mirror(worlds.SOURCE, rows, complete=True, commit="c1", code=code)
    writes = [worlds.created(row) for row in rows]
    one = worlds.order(writes[1].uid, scheduled_for=worlds.now())
    await store.settle(
        epoch, worlds.batch(rows=writes, verdicts=[worlds.ready(writes[0], a=1)], orders=[one])
    )
    world = await worlds.world(store)
    assert sorted(world.declared, key=lambda row: row.key) == rows
    assert world.declared_complete
    assert world.code == code
    project, job = sorted(world.recorded, key=lambda row: row.key)
    assert (project.key, project.spec, project.hash) == (rows[0].key, rows[0].spec, rows[0].hash)
    assert (project.state, project.ready, project.facts) == ("Active", True, {"a": 1})
    assert (job.project, job.spec, job.source) == ("iris", rows[1].spec, rows[1].source)
    assert (job.state, job.ready, job.generation, job.last_run_id) == (
        "Pending",
        False,
        1,
        one.run_id,
    )
    (execution,) = world.executions
    assert (execution.run_id, execution.key, execution.scheduled_for) == (
        one.run_id,
        worlds.JOB,
        one.scheduled_for,
    )


async def test_every_kind_has_a_row(store: postgres.Postgres) -> None:
    """All sixteen kinds can be recorded, read, and buried."""
    epoch = await worlds.lead(store)
    rows = [
        worlds.declared(model.Key(kind.kind, "" if kind.cluster_scoped else "iris", "iris"))
        for kind in registry.KINDS.values()
    ]
    await store.mirror(worlds.SOURCE, rows, complete=True, commit=None)
    writes = [worlds.created(row) for row in rows]
    await store.settle(epoch, worlds.batch(rows=writes))
    assert {row.key for row in (await worlds.world(store)).recorded} == {row.key for row in rows}
    graves = [
        (write.declared.key, write.uid, model.Because.NOT_DECLARED, model.Action.DELETE)
        for write in writes
    ]
    await store.settle(epoch, worlds.batch(tombstones=graves))
    world = await worlds.world(store)
    assert world.recorded == ()
    assert len(world.destroyed) == len(rows)


async def test_a_change_counts_generations_and_keeps_history(store: postgres.Postgres) -> None:
    """Specs count, verdicts do not; each is one row of history with the run that made it."""
    epoch, uid = await worlds.project_with_job(store)
    changed = worlds.declared(worlds.JOB, {"project": "iris", "retries": 1})
    await store.mirror(
        worlds.SOURCE,
        [worlds.declared(worlds.PROJECT, {"members": []}), changed],
        complete=True,
        commit="c2",
    )
    write = ports.RowWrite(
        changed,
        uid,
        model.Action.UPDATE,
        model.Because.SPEC_CHANGED,
        fields=(model.FieldChange("spec.retries", None, 1),),
    )
    one = worlds.batch(rows=[write], commit="c2")
    await store.settle(epoch, one)
    failed = model.Verdict(worlds.JOB, "Failed", ready=False, reason="Failed", message="m")
    await store.settle(epoch, worlds.batch(verdicts=[(uid, failed)]))
    await store.settle(
        epoch, worlds.batch(verdicts=[(uid, dataclasses.replace(failed, message="n"))])
    )
    ask = reads.Reads(store.connections)
    history = await ask.history(worlds.JOB)
    assert [(row["action"], row["generation"], row["state"]) for row in history] == [
        ("verdict", 2, "Failed"),
        ("update", 2, "Active"),
        ("create", 1, "Active"),
    ]
    assert history[1]["spec"] == {"project": "iris", "retries": 1}
    assert [row["valid_until"] for row in history] == [
        None,
        history[0]["valid_from"],
        history[1]["valid_from"],
    ]
    row = await ask.resource(worlds.JOB)
    assert (row["message"], row["generation"], row["last_run_id"]) == ("n", 2, one.run_id)
    (event,) = await ask.events(one.run_id)
    assert (event["type"], event["data"]["because"]) == ("ResourceUpdated", "SpecChanged")
    assert event["data"]["fields"] == [{"path": "spec.retries", "before": None, "after": 1}]


async def test_a_plan_older_than_the_document_still_writes_its_own_version(
    store: postgres.Postgres,
) -> None:
    """Between plan and settle the document changed: the row has what the plan meant, not a mixture."""
    epoch, uid = await worlds.project_with_job(store)
    planned = worlds.declared(worlds.JOB, {"project": "iris", "retries": 1}, path="old.yaml")
    newer = worlds.declared(worlds.JOB, {"project": "iris", "retries": 2}, path="new.yaml")
    await store.mirror(worlds.SOURCE, [newer], complete=False, commit="c3")
    write = ports.RowWrite(planned, uid, model.Action.UPDATE, model.Because.SPEC_CHANGED)
    await store.settle(epoch, worlds.batch(rows=[write]))
    (row,) = [one for one in (await worlds.world(store)).recorded if one.key == worlds.JOB]
    assert (row.spec, row.hash, row.source.path) == (planned.spec, planned.hash, "old.yaml")


async def test_names_are_passed_on(store: postgres.Postgres) -> None:
    """B becomes c and a becomes b in one batch: rows keep their identity."""
    epoch = await worlds.lead(store)
    keys = {name: model.Key("Dataset", "iris", name) for name in "abc"}
    writes = [worlds.created(worlds.declared(keys[name])) for name in "ab"]
    await store.settle(epoch, worlds.batch(rows=writes))
    moves = [
        ports.RowWrite(
            worlds.declared(keys[new]),
            write.uid,
            model.Action.UPDATE,
            model.Because.RENAMED,
            renamed_from=keys[old],
        )
        for write, old, new in zip(writes, "ab", "bc", strict=True)
    ]
    await store.settle(epoch, worlds.batch(rows=moves))
    world = await worlds.world(store)
    assert {row.uid: row.key.name for row in world.recorded} == {
        writes[0].uid: "b",
        writes[1].uid: "c",
    }


async def test_a_name_is_one_among_the_living(store: postgres.Postgres) -> None:
    """A second row of one name is a Conflict and writes nothing; after a tombstone the name is free in one batch."""
    epoch, uid = await worlds.project_with_job(store)
    twin = worlds.created(worlds.declared(worlds.JOB))
    before = await everything(store)
    with pytest.raises(errors.Conflict):
        await store.settle(epoch, worlds.batch(rows=[twin]))
    assert await everything(store) == before
    grave = (worlds.JOB, uid, model.Because.NOT_DECLARED, model.Action.DELETE)
    assert await store.settle(epoch, worlds.batch(rows=[twin], tombstones=[grave]))
    assert twin.uid in {row.uid for row in (await worlds.world(store)).recorded}


async def test_matrix_cells_hang_on_their_experiment(store: postgres.Postgres) -> None:
    """Cells and experiment may come in one batch; metrics of their runs reach their rows."""
    epoch = await worlds.lead(store)
    parent = worlds.created(worlds.declared(model.Key("Experiment", "iris", "tune")))
    key = model.Key("ExperimentRun", "iris", "tune-0000aaaa")
    cell = dataclasses.replace(
        worlds.created(worlds.declared(key)),
        parent_uid=parent.uid,
        parameters={"params": {"lr": 0.1}, "seed": 1},
    )
    await store.settle(
        epoch, worlds.batch(rows=[cell, parent], orders=[worlds.order(cell.uid, key)])
    )
    (run,) = await store.claim("w", limit=1, lease=60)
    await store.finish(run.run_id, run.fencing, worlds.outcome(metrics={"loss": 0.5}))
    row = await reads.Reads(store.connections).resource(key)
    assert (row["parent"], row["parameters"], row["metrics"]) == (
        "tune",
        cell.parameters,
        {"loss": 0.5},
    )


async def test_members_follow_the_project_in_force(store: postgres.Postgres) -> None:
    """Memberships are replaced with the spec and end with the project."""
    epoch = await worlds.lead(store)
    one, two = worlds.new_id(), worlds.new_id()

    async def members() -> list[tuple[Any, ...]]:
        async with store.connections.transaction() as conn:
            found = await conn.execute(
                "select coalesce(user_id::text, email), role from ops.project_members order by 1"
            )
            return await found.fetchall()

    spec = {
        "members": [{"user": one, "role": "admin"}, {"user": "Ada@Example.org", "role": "viewer"}]
    }
    write = worlds.created(worlds.declared(worlds.PROJECT, spec))
    await store.settle(epoch, worlds.batch(rows=[write]))
    assert await members() == sorted([(one, "admin"), ("ada@example.org", "viewer")])
    other = worlds.declared(worlds.PROJECT, {"members": [{"user": two, "role": "editor"}]})
    change = ports.RowWrite(other, write.uid, model.Action.UPDATE, model.Because.SPEC_CHANGED)
    await store.settle(epoch, worlds.batch(rows=[change]))
    assert await members() == [(two, "editor")]
    grave = (worlds.PROJECT, write.uid, model.Because.NOT_DECLARED, model.Action.DELETE)
    await store.settle(epoch, worlds.batch(tombstones=[grave]))
    assert await members() == []


async def test_interventions_are_in_force_until_applied(store: postgres.Postgres) -> None:
    """The planner sees an order until a batch says that it took effect."""
    epoch, _ = await worlds.project_with_job(store)
    made = await store.intervene("suspend", worlds.JOB, {"why": "x"}, actor="ada")
    (seen,) = (await worlds.world(store)).interventions
    assert (seen.id, seen.verb, seen.key, seen.args, seen.actor) == (
        made,
        "suspend",
        worlds.JOB,
        {"why": "x"},
        "ada",
    )
    await store.settle(epoch, worlds.batch(applied_interventions=[made]))
    assert (await worlds.world(store)).interventions == ()
    with pytest.raises(errors.Stalled, match="not known"):
        await store.intervene("explode", worlds.JOB, {}, actor="ada")


async def test_only_what_must_be_kept_is_kept_of_plans(store: postgres.Postgres) -> None:
    """A plan with provider steps or holds is kept, once; one of row steps is not."""
    epoch, _ = await worlds.project_with_job(store)
    verdict = model.Verdict(worlds.JOB, "Held", ready=False, reason="Held")
    (row,) = [one for one in (await worlds.world(store)).recorded if one.key == worlds.JOB]

    def batch(action: model.Action, digit: str) -> ports.Batch:
        step = model.Step(action, worlds.JOB, model.Because.BRAKED)
        plan = model.Plan(digit * 64, "f" * 12, True, {}, (step,), (), (), {"hold": 1})
        return worlds.batch(verdicts=[(row.uid, verdict)], plan=plan)

    await store.settle(epoch, batch(model.Action.UPDATE, "a"))
    assert await reads.Reads(store.connections).plan() is None
    await store.settle(epoch, batch(model.Action.HOLD, "b"))
    await store.settle(epoch, batch(model.Action.HOLD, "b"))
    kept = await reads.Reads(store.connections).plan("bbb")
    assert kept is not None
    assert kept["document"]["steps"][0]["action"] == "hold"
    assert [held["name"] for held in await reads.Reads(store.connections).held()] == ["ingest"]


async def test_the_world_has_the_runs_that_matter(store: postgres.Postgres) -> None:
    """Of a long history: the latest twenty, all tries of the latest order, and whatever is open."""
    epoch, uid = await worlds.project_with_job(store)
    orders = [worlds.order(uid, attempt=n, tries=n, execution_hash="a" * 64) for n in range(1, 31)]
    await store.settle(epoch, worlds.batch(orders=orders))
    runs = await store.claim("w", limit=30, lease=60)
    await store.finish_many([(run.run_id, run.fencing, worlds.outcome()) for run in runs])
    assert len((await worlds.world(store)).executions) == 30
    fresh = [worlds.order(uid, attempt=n, tries=1, execution_hash="b" * 64) for n in range(31, 34)]
    await store.settle(epoch, worlds.batch(orders=fresh))
    found = (await worlds.world(store)).executions
    assert sorted(one.attempt for one in found) == list(range(14, 34))


async def test_only_the_recent_destructions_count(store: postgres.Postgres) -> None:
    """What was forgotten was not destroyed; what was destroyed before the window is over."""
    epoch, uid = await worlds.project_with_job(store)
    grave = (worlds.JOB, uid, model.Because.NOT_DECLARED, model.Action.DELETE)
    await store.settle(epoch, worlds.batch(tombstones=[grave], commit="c9"))
    (destroyed,) = (await worlds.world(store)).destroyed
    assert (destroyed.project, destroyed.kind, destroyed.revision) == ("iris", "RunnerJob", "c9")
    later = worlds.now() + datetime.timedelta(seconds=601)
    assert (await store.world(now=later, policy=model.Policy())).destroyed == ()


async def test_what_was_confirmed_says_so(store: postgres.Postgres) -> None:
    """What went with a confirmation, or by a delete that was ordered with it; not what goes later."""
    epoch, uid = await worlds.project_with_job(store)
    other = worlds.created(worlds.declared(model.Key("Dataset", "iris", "other")))
    third = worlds.created(worlds.declared(model.Key("Dataset", "iris", "third")))
    await store.settle(epoch, worlds.batch(rows=[other, third]))

    def grave(key: model.Key, uid: str) -> tuple[model.Key, str, model.Because, model.Action]:
        return key, uid, model.Because.NOT_DECLARED, model.Action.DELETE

    yes = await store.intervene("confirm", None, {"token": "a" * 12}, actor="ada")
    deleting = worlds.order(uid, operation="delete", attempt=9)
    batch = worlds.batch(tombstones=[grave(other.declared.key, other.uid)], orders=[deleting])
    await store.settle(epoch, dataclasses.replace(batch, applied_interventions=(yes,)))
    rest = [grave(worlds.JOB, uid), grave(third.declared.key, third.uid)]
    await store.settle(epoch, worlds.batch(tombstones=rest))
    found = (await worlds.world(store)).destroyed
    assert sorted((gone.kind, gone.confirmed) for gone in found) == [
        ("Dataset", False),
        ("Dataset", True),
        ("RunnerJob", True),
    ]


async def test_a_backfill_sees_what_ran_at_its_times(store: postgres.Postgres) -> None:
    """Runs of those times are among the executions, however many came after them; until the order is used up."""
    epoch, uid = await worlds.project_with_job(store)
    hours = [worlds.now() - datetime.timedelta(hours=n) for n in range(40, 0, -1)]
    for number, hour in enumerate(hours, 1):
        order = worlds.order(uid, attempt=number, tries=1, scheduled_for=hour)
        await store.settle(epoch, worlds.batch(orders=[order]))
        await store.settle(epoch, worlds.batch(cancels=(order.run_id,)))
    span = {"from": hours[2].isoformat(), "until": hours[5].isoformat()}
    told = await store.intervene("backfill", worlds.JOB, span, actor="ada")
    bad = await store.intervene("backfill", worlds.JOB, {"from": "soon"}, actor="ada")
    seen = {run.scheduled_for for run in (await worlds.world(store)).executions}
    assert set(hours[2:6]) <= seen
    used = dataclasses.replace(worlds.batch(), applied_interventions=(told, bad))
    await store.settle(epoch, used)
    seen = {run.scheduled_for for run in (await worlds.world(store)).executions}
    assert not set(hours[2:6]) & seen


async def test_ten_thousand_rows_are_one_chain_and_one_snapshot(store: postgres.Postgres) -> None:
    """A large batch is written whole: rows, history, events of one settle run, verified."""
    epoch = await worlds.lead(store)
    rows = [worlds.declared(model.Key("Dataset", "iris", f"d{n}")) for n in range(10_000)]
    mirrored = await store.mirror(worlds.SOURCE, rows, complete=True, commit="c1")
    assert (mirrored.changed, mirrored.removed) == (10_000, 0)
    writes = [worlds.created(row) for row in rows]
    whole = worlds.batch(rows=writes, verdicts=[worlds.ready(write) for write in writes])
    await store.settle(epoch, whole)
    world = await worlds.world(store)
    assert len(world.recorded) == 10_000
    assert all(row.ready for row in world.recorded)
    (chain,) = [one async for one in store.verify([whole.run_id])]
    assert (chain.events, chain.verdict) == (10_000, "intact")


async def test_a_project_and_its_experiment_in_one_batch(store: postgres.Postgres) -> None:
    """Whatever the order of the rows: what names a project of the same batch belongs to it."""
    epoch = await worlds.lead(store)
    key = model.Key("Experiment", "penguins", "species")
    rows = [worlds.declared(key), worlds.declared(worlds.PROJECT, {"members": []})]
    await store.mirror(worlds.SOURCE, rows, complete=True, commit="c1")
    writes = [worlds.created(row) for row in rows]
    await store.settle(
        epoch, worlds.batch(rows=writes, verdicts=[worlds.ready(write) for write in writes])
    )
    found = {row.key: row.project for row in (await worlds.world(store)).recorded}
    assert found[key] == worlds.PROJECT.name


async def test_what_was_declared_before_its_project_belongs_to_it(store: postgres.Postgres) -> None:
    """Files come in any order: once the project is recorded its members see what named it before; a new one of its name takes in the rest."""
    epoch = await worlds.lead(store)
    served = model.Key("ModelDeployment", "iris", "chat")
    keys = [served, model.Key("Experiment", "iris", "species")]
    rows = [worlds.declared(key) for key in keys]
    cell = worlds.declared(model.Key("ExperimentRun", "iris", "one"), {"experiment": "species"})
    rows.append(dataclasses.replace(cell, project=None))
    await store.mirror(worlds.SOURCE, rows, complete=False, commit="c1")
    writes = [worlds.created(row) for row in rows]
    told = worlds.ready(writes[0], serving=[{"revision": "r1", "weight": 100}])
    await store.settle(epoch, worlds.batch(rows=writes, verdicts=[told]))
    asked = answers.Answers(store.connections, "gateway:test")
    assert await asked.served() == []

    project = worlds.declared(worlds.PROJECT, {"members": []})
    await store.mirror(worlds.SOURCE, [project, *rows], complete=True, commit="c2")
    for _ in range(2):
        made = worlds.created(project)
        await store.settle(epoch, worlds.batch(rows=[made]))
        found = {row.key: row.project for row in (await worlds.world(store)).recorded}
        assert {found[row.key] for row in rows} == {"iris"}
        (alias,) = await asked.served()
        assert (alias.project_id, alias.alias, len(alias.serving)) == (made.uid, "chat", 1)
        gone = (worlds.PROJECT, made.uid, model.Because.NOT_DECLARED, model.Action.DELETE)
        await store.settle(epoch, worlds.batch(tombstones=[gone]))
        assert await asked.served() == []
