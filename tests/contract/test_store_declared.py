"""The laws of the mirror, of observations and of waiting for changes."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import psycopg
import pytest
import store_server
import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx import errors, ports
from workbenchx.planner import model
from workbenchx.store import connections, embedded, postgres, reads

__all__ = ["database", "server", "store"]

A = worlds.declared(model.Key("Dataset", "iris", "a"), path="ssot/x/a.yaml")
B = worlds.declared(model.Key("Dataset", "iris", "b"), path="ssot/x/b.yaml")
C = worlds.declared(model.Key("Dataset", "iris", "c"), path="ssot/xx/c.yaml")


async def names(store: postgres.Postgres) -> str:
    """What is declared, in short."""
    return "".join(sorted(row.key.name for row in (await worlds.world(store)).declared))


async def test_absence_removes_only_what_was_looked_at(store: postgres.Postgres) -> None:
    """Incomplete: nothing. Scope: below it. Unreadable files: kept. Another source: never."""
    await store.mirror("s", [A, B, C], complete=True, commit=None)
    await store.mirror("s", [], complete=False, commit=None)
    assert await names(store) == "abc"
    await store.mirror("other", [], complete=True, commit=None)
    assert await names(store) == "abc"
    result = await store.mirror(
        "s", [], complete=True, commit=None, scope="ssot/x", broken={"ssot/x/a.yaml": "no yaml"}
    )
    assert (await names(store), result.removed) == ("ac", 1)
    await store.mirror("s", [], complete=True, commit=None, scope=".")
    assert await names(store) == ""


async def test_an_unchanged_tree_changes_nothing(store: postgres.Postgres) -> None:
    """Not even with a new commit; the epoch alone counts on."""
    first = await store.mirror("s", [A, B], complete=True, commit="c1")
    second = await store.mirror("s", [A, B], complete=True, commit="c2")
    assert (first.changed, second) == (2, ports.MirrorResult(0, 0, first.epoch + 1))


async def test_labels_are_shown_and_a_change_of_them_alone_is_written(
    store: postgres.Postgres,
) -> None:
    """Long values as their digests; a broken file keeps what it had, and the same once more changes nothing."""
    text = '{"annotations":{"note":"' + "x" * 1000 + '"},"labels":{"team":"x"}}'
    labelled = dataclasses.replace(A, metadata=text)
    await store.mirror("s", [A, B], complete=True, commit="c1")
    assert (await store.mirror("s", [labelled, B], complete=True, commit="c2")).changed == 1
    broken = model.Declared(A.key, None, {}, "", A.source, problem="no yaml")
    await store.mirror("s", [broken, B], complete=True, commit="c3")
    async with store.connections.transaction() as conn:
        found = await connections.fetch(conn, "select metadata from ops.declared order by name")
    assert found[0][0]["labels"] == {"team": "x"}
    assert found[0][0]["annotations"]["note"].startswith("sha256:")
    assert found[1][0] == {}
    await store.mirror("s", [labelled, B], complete=True, commit="c4")
    assert (await store.mirror("s", [labelled, B], complete=True, commit="c5")).changed == 0


async def test_a_problem_keeps_the_last_good_document(store: postgres.Postgres) -> None:
    """A broken file says so beside the version in force; mended, it says nothing."""
    await store.mirror("s", [A], complete=True, commit=None)
    broken = model.Declared(A.key, None, {}, "", A.source, problem="image is not pinned")
    await store.mirror("s", [broken], complete=True, commit=None)
    (row,) = (await worlds.world(store)).declared
    assert (row.spec, row.hash, row.problem) == (A.spec, A.hash, "image is not pinned")
    (told,) = await reads.Reads(store.connections).declared_problems()
    assert (told["name"], told["good"]) == ("a", True)
    again = await store.mirror("s", [broken], complete=True, commit=None)
    assert again.changed == 0
    await store.mirror("s", [A], complete=True, commit=None)
    assert (await worlds.world(store)).declared[0].problem is None


async def test_one_incomplete_source_makes_absence_unsure(store: postgres.Postgres) -> None:
    """declared_complete is what all sources say together; none at all says nothing."""
    assert not (await worlds.world(store)).declared_complete
    await store.mirror("s", [A], complete=True, commit=None)
    assert (await worlds.world(store)).declared_complete
    await store.mirror("t", [B], complete=False, commit=None)
    assert not (await worlds.world(store)).declared_complete


async def test_the_first_source_keeps_a_name(store: postgres.Postgres) -> None:
    """Two sources of one identity do not fight; the second has it once the first lets go."""
    await store.mirror("s", [A], complete=True, commit=None)
    other = worlds.declared(A.key, {"project": "other"})
    await store.mirror("t", [other], complete=True, commit=None)
    assert (await worlds.world(store)).declared[0].spec == A.spec
    await store.mirror("s", [], complete=True, commit=None)
    await store.mirror("t", [other], complete=True, commit=None)
    assert (await worlds.world(store)).declared[0].spec == other.spec


async def test_code_is_kept_by_project(store: postgres.Postgres) -> None:
    """A reading of one project's code leaves the others' as they were."""
    one, two = model.Code("1" * 64, "c1"), model.Code("2" * 64, None)
    await store.mirror("s", [], complete=True, commit=None, code={"p": one, "q": one})
    await store.mirror("s", [], complete=True, commit=None, code={"q": two})
    assert (await worlds.world(store)).code == {"p": one, "q": two}


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "\\u0000", "\\\0", "é\u2028"])
async def test_any_text_can_be_declared(store: postgres.Postgres, value: str) -> None:
    """What Postgres has no form for is replaced; what only looks like it is kept."""
    row = worlds.declared(model.Key("Dataset", "iris", "odd"), {"uri": "x"})
    odd = model.Declared(row.key, "iris", {"uri": value}, "e" * 64, row.source)
    await store.mirror("s", [odd], complete=True, commit=None)
    kept = (await worlds.world(store)).declared[0].spec["uri"]
    assert kept == value.replace("\0", "\ufffd").replace("\ud800", "?")


async def test_observations_follow_complete_looks(store: postgres.Postgres) -> None:
    """What a complete look misses is gone; what an incomplete one misses stays."""
    uid = worlds.new_id()
    thing = ports.SandboxStatus(
        "sb", "running", {"wbx-resource": uid}, urls={80: "http://u"}, fields={"x": 1}
    )
    first = await store.record_observation("local", ports.Observation(True, worlds.now(), (thing,)))
    second = await store.record_observation("local", ports.Observation(False, worlds.now(), ()))
    assert second == first + 1
    world = await worlds.world(store)
    assert world.observed == (
        model.ObservedObject("local", "sb", uid, "running", {"x": 1}, "http://u"),
    )
    assert [epoch.complete for epoch in world.epochs] == [False]
    await store.record_observation("local", ports.Observation(True, worlds.now(), ()))
    assert (await worlds.world(store)).observed == ()


async def test_the_sweep_knows_what_may_go(store: postgres.Postgres) -> None:
    """live: open run or living owner; ended: neither; what was forgotten is left alone; the unknown is not there."""
    epoch, uid = await worlds.project_with_job(store)
    run = await worlds.claimed(store, uid, operation="create", intent=("local", "sb"))
    assert await store.standing("local", ["sb", "other"]) == {"sb": "live"}
    await store.finish(run.run_id, run.fencing, worlds.outcome(facts={"external_id": "sb"}))
    assert await store.standing("local", ["sb"]) == {"sb": "live"}
    second = await worlds.claimed(store, uid, operation="stop", attempt=2)
    await store.finish(second.run_id, second.fencing, worlds.outcome(facts={"external_id": None}))
    assert await store.standing("local", ["sb"]) == {"sb": "ended"}
    forgotten = (worlds.JOB, uid, model.Because.ORDERED, model.Action.FORGET)
    await store.settle(epoch, worlds.batch(tombstones=[forgotten]))
    assert await store.standing("local", ["sb"]) == {"sb": "quarantined"}


async def next_one(
    changes: AsyncIterator[frozenset[str] | None],
) -> frozenset[str] | None:
    """Wait for the next burst, and say of which kinds it tells."""
    async with asyncio.timeout(120):
        return await anext(changes)


async def test_changes_wake_and_quiet_does_not(store: postgres.Postgres) -> None:
    """A change is one item; heartbeats, empty claims and unchanged readings are none."""
    epoch, uid = await worlds.project_with_job(store)
    run = await worlds.claimed(store, uid)
    look = ports.Observation(True, worlds.now(), (ports.SandboxStatus("sb", "running", {}),))
    await store.record_observation("local", look)
    changes = aiter(store.changes())
    await next_one(changes)
    waiting = asyncio.ensure_future(anext(changes))
    await store.beat("w1", [(run.run_id, run.fencing)], lease=60)
    await store.claim("w2", limit=5, lease=60)
    rows = [worlds.declared(worlds.PROJECT, {"members": []}), worlds.declared(worlds.JOB)]
    await store.mirror(worlds.SOURCE, rows, complete=True, commit="c2")
    await store.record_observation("local", look)
    await store.renew_leader("test", epoch, 60)
    done, _ = await asyncio.wait({waiting}, timeout=0.3)
    assert not done
    await store.finish(run.run_id, run.fencing, worlds.outcome())
    async with asyncio.timeout(120):
        await waiting
    await changes.aclose()  # type: ignore[attr-defined] # an async generator


async def test_a_lost_server_is_a_wait(server: embedded.Server, database: str) -> None:
    """Connections that die make verbs and listeners wait, and the next try works."""
    async with store_server.opened(server.url_for("wbx_engine", database)) as store:
        await worlds.project_with_job(store)
        changes = aiter(store.changes())
        await next_one(changes)
        async with await psycopg.AsyncConnection.connect(
            store_server.administrator(server), autocommit=True
        ) as administrator:
            await administrator.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
                [database],
            )
        with pytest.raises(errors.Waiting) as lost:
            await next_one(changes)
        assert lost.value.reason == "DatabaseUnavailable"
        with pytest.raises(errors.Waiting):
            await store.installation()
        assert (await store.installation()).environment == "test"


async def test_the_sweep_waits_a_day_with_what_nobody_knows(store: postgres.Postgres) -> None:
    """A run's sandbox goes after a day in quarantine, a session's never by itself, what we let go neither."""
    found = [
        ports.SandboxStatus(f"sb-{kind}", "running", {"wbx-kind": kind} if kind else {})
        for kind in ("RunnerJob", "Session", "")
    ]
    names = [each.name for each in found]
    await store.quarantine("box", found)
    assert set((await store.standing("box", names)).values()) == {"quarantined"}
    await store.record_objects("box", ["sb-let-go"], state="quarantined")
    async with store.connections.transaction() as conn:
        await conn.execute(
            "update ops.provider_objects set updated_at = now() - interval '25 hours',"
            " found_at = found_at - interval '25 hours' where provider = 'box'"
        )
    standing = await store.standing("box", [*names, "sb-let-go"])
    assert standing == {
        "sb-RunnerJob": "condemned",
        "sb-Session": "quarantined",
        "sb-": "quarantined",
        "sb-let-go": "quarantined",
    }


async def test_a_provider_object_condemns_by_name(store: postgres.Postgres) -> None:
    """`retire` is a person's word: what it names may go at once, whatever it is, if nobody knows it."""
    epoch, uid = await worlds.project_with_job(store)
    key = model.Key("SandboxProvider", "", "box")
    spec = {"adapter": "box", "default": True, "retire": ["sb-old", "sb"]}
    option = worlds.created(worlds.declared(key, spec))
    await store.settle(epoch, worlds.batch(rows=[option]))
    await worlds.claimed(store, uid, operation="create", intent=("box", "sb"))
    await store.quarantine(
        "box", [ports.SandboxStatus("sb-old", "running", {"wbx-kind": "Session"})]
    )
    assert await store.standing("box", ["sb-old", "sb"]) == {"sb-old": "condemned", "sb": "live"}


async def test_what_a_living_resource_names_is_known_again(store: postgres.Postgres) -> None:
    """The ledger lost a row, as when an older copy of the database was brought back: it is written anew, not swept."""
    _, uid = await worlds.project_with_job(store)
    run = await worlds.claimed(store, uid, operation="create", intent=("local", "sb"))
    await store.finish(run.run_id, run.fencing, worlds.outcome(facts={"external_id": "sb"}))
    async with store.connections.transaction() as conn:
        await conn.execute("update ops.provider_objects set external_id = 'other'")
    assert await store.standing("local", ["sb"]) == {"sb": "live"}
    async with store.connections.transaction() as conn:
        found = await conn.execute(
            "select state, resource_uid::text from ops.provider_objects where external_id = 'sb'"
        )
        assert await found.fetchall() == [("exists", uid)]
