"""What callers ask by functions: chains, comparisons, lineage, the past, plans; each as far as they may see."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
import store_callers
import store_server
import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx import ports
from workbenchx.planner import model
from workbenchx.store import embedded, postgres

__all__ = ["database", "server", "store"]

VERIFY = "select verdict, events > 0 from ops.verify_run(%s)"
A, B, C = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture
async def runs(store: postgres.Postgres) -> dict[str, str]:
    """The run of each of two projects."""
    return await store_callers.two_projects(store)


@pytest.fixture
async def callers(
    runs: dict[str, str],  # they come first
    server: embedded.Server,
    database: str,
) -> AsyncIterator[store_callers.Callers]:
    """Callers of two projects."""
    async with store_callers.connected(server, database) as connected:
        yield connected


async def test_a_chain_is_verified_by_whoever_may_see_its_run(
    runs: dict[str, str], callers: store_callers.Callers
) -> None:
    """Members and the platform team; to others there is no such run."""
    for caller in (callers.viewer, callers.platform):
        assert await caller.rows(VERIFY, runs["iris"]) == [("intact", True)]
    assert await callers.viewer.rows(VERIFY, runs["other"]) == []
    assert await callers.nobody.rows(VERIFY, runs["iris"]) == []
    assert await callers.nobody.rows("select * from ops.verify_runs()") == []
    seen = await callers.viewer.rows("select run_id::text, broken_at from ops.verify_runs()")
    assert (runs["iris"], None) in seen
    assert runs["other"] not in dict(seen)
    page = await callers.viewer.rows("select run_id from ops.verify_runs(most => 1)")
    rest = await callers.viewer.rows("select run_id from ops.verify_runs(after => %s)", page[0][0])
    assert len(page) + len(rest) == len(seen)


async def test_a_chain_of_several_projects_is_verified_whole(
    store: postgres.Postgres, callers: store_callers.Callers
) -> None:
    """Although its reader sees only the events of the own project."""
    rows = [
        worlds.created(
            model.Declared(model.Key("Dataset", name, "d"), name, {"project": name}, "d" * 64)
        )
        for name in ("iris", "other")
    ]
    await store.mirror("d", [row.declared for row in rows], complete=True, commit=None)
    both = worlds.batch(rows=rows)
    assert await store.settle(await worlds.lead(store), both)
    assert (
        await callers.viewer.one(
            "select count(*) from ops.run_events where run_id::text = %s", both.run_id
        )
        == 1
    )
    for caller in (callers.viewer, callers.foreign):
        assert await caller.rows(VERIFY, both.run_id) == [("intact", True)]


async def test_a_broken_chain_is_told_to_callers(
    runs: dict[str, str], callers: store_callers.Callers, server: embedded.Server, database: str
) -> None:
    """With the place."""
    owner_url = store_server.administrator(server, database)
    async with await psycopg.AsyncConnection.connect(owner_url, autocommit=True) as owner:
        await owner.execute("alter table ops.run_events disable trigger all")
        await owner.execute(
            "update ops.run_events set actor = 'eve' where run_id::text = %s and seq = 1",
            (runs["iris"],),
        )
    assert await callers.viewer.rows(VERIFY, runs["iris"]) == [("broken at seq 1", True)]


async def test_runs_of_an_experiment_stand_side_by_side(
    store: postgres.Postgres, callers: store_callers.Callers
) -> None:
    """The best first, by the experiment's metric; what has no number comes last."""
    epoch = await worlds.lead(store)
    spec = {"project": "iris", "metric": {"name": "loss", "goal": "minimize"}}
    parent = worlds.created(worlds.declared(model.Key("Experiment", "iris", "tune"), spec))
    cells = []
    for name in ("one", "two", "three"):
        key = model.Key("ExperimentRun", "iris", name)
        declared = model.Declared(key, "iris", {"experiment": "tune"}, "e" * 64)
        write = ports.RowWrite(
            declared,
            worlds.new_id(),
            model.Action.CREATE,
            model.Because.NEW,
            parent_uid=parent.uid,
            parameters={"lr": name},
        )
        cells.append(write)
    await store.mirror("tune", [parent.declared], complete=True, commit=None)
    orders = [worlds.order(cell.uid, cell.declared.key) for cell in cells]
    await store.settle(epoch, worlds.batch(rows=[parent, *cells], orders=orders))
    loss = {cell.uid: value for cell, value in zip(cells, (0.5, 0.25, "nan"), strict=True)}
    for run in await store.claim("w", limit=9, lease=60):
        done = worlds.outcome(
            metrics={"loss": loss[run.resource_uid]}, artifacts=[("model", worlds.blob("c"), "t/p")]
        )
        await store.finish(run.run_id, run.fencing, done)
    compare = (
        "select run, parameters, value::float, rank, artifacts, run_id is not null"
        " from ops.compare_runs('tune')"
    )
    assert await callers.viewer.rows(compare) == [
        ("two", {"lr": "two"}, 0.25, 1, {"model": C}, True),
        ("one", {"lr": "one"}, 0.5, 2, {"model": C}, True),
        ("three", {"lr": "three"}, None, None, {"model": C}, True),
    ]
    assert await callers.foreign.rows(compare) == []
    assert await callers.viewer.rows("select 1 from ops.compare_runs('tune', 'other')") == []


async def make_lineage(store: postgres.Postgres) -> dict[str, str]:
    """What came of A, which job `job` left: job `train` of both projects read it; the runs by project.

    That of iris left B, which a Model registers, and an endpoint and an app serve.
    """
    uids = {row.key: row.uid for row in (await worlds.world(store)).recorded}
    made = {}
    for project in ("iris", "other"):
        key = model.Key("RunnerJob", project, "train")
        uids[key] = worlds.new_id()
        document = {
            "inputs": [{"name": "table", "path": "inputs/table", "sha256": A}],
            "code": {"sha256": C, "commit": f"c-{project}"},
        }
        order = worlds.order(uids[key], key, project=project, document=document)
        made[project] = order.run_id
        assert await store.enqueue([order])
    for run in await store.claim("w", limit=9, lease=60):
        left = [("model", worlds.blob("b"), "t/p"), ("log", worlds.blob("d"), "t/p")]
        if run.run_id != made["iris"]:
            left = []
        await store.finish(run.run_id, run.fencing, worlds.outcome(artifacts=left))
    served = {"project": "iris", "app": "a", "inputs": [{"name": "m", "from": "Model/species"}]}
    specs: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
        ("Model", "species", {"project": "iris"}, {"versions": [{"version": "1", "sha256": B}]}),
        ("ModelDeployment", "api", {"project": "iris", "model": "species"}, {}),
        ("AppDeployment", "web", served, {"deployed": {"inputs.m": B}, "url": "http://x"}),
    ]
    rows = [
        (worlds.created(worlds.declared(model.Key(kind, "iris", name), spec)), facts)
        for kind, name, spec, facts in specs
    ]
    await store.mirror("l", [row.declared for row, _ in rows], complete=True, commit=None)
    verdicts = [worlds.ready(row, **facts) for row, facts in rows]
    batch = worlds.batch(rows=[row for row, _ in rows], verdicts=verdicts)
    assert await store.settle(await worlds.lead(store), batch)
    return made


async def test_lineage_goes_both_ways(
    store: postgres.Postgres, runs: dict[str, str], callers: store_callers.Callers
) -> None:
    """Commit, run, artifact, model version, endpoint: from the table down to what serves it, from the model up."""
    made = await make_lineage(store)
    ask = "select direction, depth, to_type, name from ops.lineage(%s) order by 1, 2, 3, 4"
    assert await callers.viewer.rows(ask, A) == [
        ("down", 1, "run", "RunnerJob/train"),
        ("down", 2, "artifact", "model"),
        ("down", 3, "model", "Model/species@1"),
        ("down", 4, "endpoint", "AppDeployment/web"),
        ("down", 4, "endpoint", "ModelDeployment/api"),
        ("up", 1, "run", "RunnerJob/job"),
    ]
    assert await callers.viewer.rows(ask, B) == [
        ("down", 1, "model", "Model/species@1"),
        ("down", 2, "endpoint", "AppDeployment/web"),
        ("down", 2, "endpoint", "ModelDeployment/api"),
        ("up", 1, "run", "RunnerJob/train"),
        ("up", 2, "artifact", "table"),
        ("up", 2, "commit", "c-iris"),
        ("up", 3, "run", "RunnerJob/job"),
    ]
    ids = await callers.viewer.rows(
        "select from_id, to_id from ops.lineage(%s) where to_type = 'run'", B
    )
    assert ids == [(B, made["iris"]), (A, runs["iris"])]


async def test_lineage_shows_the_own_projects_only(
    store: postgres.Postgres, callers: store_callers.Callers
) -> None:
    """Equal bytes of another project lead nowhere; the platform team sees both."""
    await make_lineage(store)
    ask = "select to_type, name, detail ->> 'namespace' from ops.lineage(%s) order by 1, 2, 3"
    assert await callers.foreign.rows(ask, A) == [
        ("run", "RunnerJob/job", "other"),
        ("run", "RunnerJob/train", "other"),
    ]
    assert await callers.foreign.rows(ask, B) == []
    spaces = {row[2] for row in await callers.platform.rows(ask, A)}
    assert {"iris", "other"} <= spaces
    with pytest.raises(psycopg.Error, match="is not a sha256") as caught:
        await callers.viewer.rows(ask, "abc")
    assert caught.value.sqlstate == "PT400"


async def test_lineage_of_bytes_that_a_run_left_as_they_were_ends(
    store: postgres.Postgres, callers: store_callers.Callers
) -> None:
    """A run whose output equals its input is a loop; each node is entered once."""
    key = model.Key("RunnerJob", "iris", "copy")
    order = worlds.order(worlds.new_id(), key, document={"inputs": [{"name": "x", "sha256": A}]})
    assert await store.enqueue([order])
    (run,) = await store.claim("w", limit=9, lease=60)
    done = worlds.outcome(artifacts=[("x", worlds.blob("a"), "t/p")])
    await store.finish(run.run_id, run.fencing, done)
    found = await callers.viewer.rows("select direction, depth, to_id from ops.lineage(%s)", A)
    assert ("down", 2, A) in found
    assert len(found) == len(set(found)) == 5


async def test_the_past_is_told_as_it_was_recorded(
    store: postgres.Postgres, callers: store_callers.Callers
) -> None:
    """At each moment the version then in force, with its spec; nothing of what did not live."""
    epoch = await worlds.lead(store)
    key = model.Key("Dataset", "iris", "d")
    write = worlds.created(worlds.declared(key, {"project": "iris", "version": "1"}))
    await store.mirror("d", [write.declared], complete=True, commit="c1")
    await store.settle(epoch, worlds.batch(rows=[write], commit="c1"))
    await store.settle(epoch, worlds.batch(verdicts=[worlds.ready(write)]))
    newer = worlds.declared(key, {"project": "iris", "version": "2"})
    change = ports.RowWrite(newer, write.uid, model.Action.UPDATE, model.Because.SPEC_CHANGED)
    await store.mirror("d", [newer], complete=True, commit="c2")
    await store.settle(epoch, worlds.batch(rows=[change], commit="c2"))
    grave = (key, write.uid, model.Because.NOT_DECLARED, model.Action.DELETE)
    await store.settle(epoch, worlds.batch(tombstones=[grave]))
    times = await callers.viewer.rows(
        "select valid_from from ops.resource_history where uid = %s order by id", write.uid
    )
    ask = "select spec ->> 'version', state, generation from ops.resources_at(%s) where kind = 'Dataset'"
    found = [await callers.viewer.rows(ask, at) for (at,) in times]
    assert found == [[("1", "Pending", 1)], [("1", "Active", 1)], [("2", "Active", 2)], []]
    assert await callers.foreign.rows(ask, times[0][0]) == []
    assert await callers.viewer.rows("select 1 from ops.resources_at('2020-01-01')") == []


async def kept_plan(store: postgres.Postgres) -> None:
    """One plan over both projects and the cluster."""
    subjects: list[tuple[str, str, str, str | None]] = [
        ("RunnerJob", "iris", "job", "iris"),
        ("RunnerJob", "other", "job", "other"),
        ("Project", "", "other", None),
        ("Runtime", "", "python", None),
        ("Dataset", "other", "new", "other"),
    ]
    steps = tuple(
        model.Step(
            action=model.Action.HOLD if name == "job" else model.Action.UPDATE,
            subject=model.Key(kind, namespace, name),
            because=model.Because.BRAKED,
            destructive=name == "job",
            project=project,
        )
        for kind, namespace, name, project in subjects
    )
    waits = tuple(model.Wait(step.subject, "Held", "m") for step in steps)
    plan = model.Plan(
        read_id="1" * 64,
        destroy_token="f" * 12,
        complete=True,
        inputs={"hold_token": "e" * 12, "commit": "c1", "code": {"other": {}}},
        steps=steps,
        waits=waits,
        verdicts=(),
        counts={"hold": 2, "update": 3},
    )
    await store.settle(await worlds.lead(store), worlds.batch(plan=plan))


async def plan_of(caller: store_callers.Caller) -> dict[str, Any]:
    """The one plan, as the caller sees it."""
    ((token, document),) = await caller.rows(
        "select destroy_token, document from ops.plans_for_me('111')"
    )
    assert document["destroy_token"] == token
    return dict(document)


async def test_plans_show_what_is_the_callers(
    store: postgres.Postgres, callers: store_callers.Callers
) -> None:
    """Steps of the own projects and of the cluster; of the others only how many they are."""
    await kept_plan(store)
    mine = await plan_of(callers.viewer)
    names = [(step["subject"]["kind"], step["subject"]["namespace"]) for step in mine["steps"]]
    assert names == [("RunnerJob", "iris"), ("Runtime", "")]
    assert [wait["subject"]["namespace"] for wait in mine["waits"]] == ["iris", ""]
    assert (mine["counts"], mine["masked"]) == ({"hold": 1, "update": 1}, 3)
    assert mine["inputs"] == {"commit": "c1", "hold_token": "e" * 12}
    assert (mine["id"], mine["destroy_token"]) == ("1" * 64, "f" * 12)
    assert "other" not in str(mine)
    theirs = await plan_of(callers.foreign)
    assert (len(theirs["steps"]), theirs["masked"]) == (4, 1)
    everything = await plan_of(callers.platform)
    assert (len(everything["steps"]), everything["masked"]) == (5, 0)
    page = await callers.viewer.rows("select id, document from ops.plans_page()")
    assert page == [(mine["id"], mine)]
    for asked in ("select 1 from ops.plans_for_me()", "select 1 from ops.plans_page()"):
        assert await callers.nobody.rows(asked) == []
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await callers.platform.rows("select 1 from ops.plans")
