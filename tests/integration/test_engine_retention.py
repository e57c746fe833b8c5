"""Retention: bytes go in time, pointers and proofs stay, and nobody else loses anything, whatever is killed in between."""

import datetime
import json
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import blobs
import pytest
import store_audit
import store_worlds as worlds
from store_fixtures import database, server

from workbenchx import errors, ports
from workbenchx.engine import failpoints, retention
from workbenchx.store import embedded

__all__ = ["database", "server"]

_KEEP = """
from workbenchx.engine import retention

asyncio.run(retention.keep(store, storage, now + datetime.timedelta(hours=HOURS)))
"""


@pytest.fixture
async def audit(
    server: embedded.Server, database: str, tmp_path: pathlib.Path
) -> AsyncIterator[store_audit.Audit]:
    """An installation with projects brief (keeps things for a day) and long (for ever)."""
    async with store_audit.opened(server, database, tmp_path) as made:
        brief = {"artifacts": "1d", "logs": "12h", "snapshots": "2d"}
        for name, spec in (("brief", {"retention": brief}), ("long", {})):
            await made.rows(
                "insert into ops.projects (id, kind, name, spec) values (gen_random_uuid(), 'Project', %s, %s) returning 1",
                name,
                json.dumps(spec),
            )
        yield made


async def ended(
    audit: store_audit.Audit,
    data: bytes,
    *,
    project: str = "brief",
    name: str = "out",
    **order: Any,
) -> str:
    """A run of the project that left those bytes; its id."""
    one = worlds.order(worlds.new_id(), project=project, **order)
    assert await audit.store.enqueue([one])
    (run,) = await audit.store.claim("w", limit=1, lease=60)
    kept = [(name, await audit.stored(data), "text/plain")]
    await audit.store.finish(run.run_id, run.fencing, worlds.outcome(artifacts=kept))
    return one.run_id


async def keep(audit: store_audit.Audit, *, hours: float) -> str:
    """Keep retention as in so many hours."""
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)
    return await retention.keep(audit.store, audit.storage, now)


async def twice(audit: store_audit.Audit, *, hours: float) -> None:
    """What is over then is retired, and a little later its bytes are deleted."""
    await keep(audit, hours=hours)
    await keep(audit, hours=hours + 1)


async def removed(audit: store_audit.Audit, run_id: str) -> bool:
    """Whether the run's pointer says that its bytes are gone."""
    query = "select removed_at is not null from ops.artifacts where run_id::text = %s"
    ((gone,),) = await audit.rows(query, run_id)
    return bool(gone)


async def stored(audit: store_audit.Audit) -> set[bytes]:
    """What is in storage."""
    found = [blob.sha256 async for blob in audit.storage.list()]
    return {await blobs.read(audit.storage, each) for each in found}


async def test_bytes_go_in_time_and_the_pointer_stays(audit: store_audit.Audit) -> None:
    """Not before; then the pointer says so, the chain tells why and is anchored again, and later the bytes go."""
    run_id = await ended(audit, b"old")
    await audit.anchor()
    await twice(audit, hours=22)
    assert not await removed(audit, run_id)
    assert "1 artifacts retired, 0 objects deleted" in await keep(audit, hours=25)
    assert await removed(audit, run_id)
    query = "select type, data ->> 'because' from ops.run_events where run_id::text = %s order by seq desc limit 1"
    assert await audit.rows(query, run_id) == [
        ("ArtifactRemoved", "spec.retention.artifacts is 1d")
    ]
    assert (await audit.verdicts())[run_id] == "unanchored"
    assert b"old" in await stored(audit)
    assert "0 artifacts retired, 1 objects deleted" in await keep(audit, hours=26)
    assert b"old" not in await stored(audit)
    await audit.anchor()
    assert await audit.bad() == {}
    assert "0 artifacts retired, 0 objects deleted" in await keep(audit, hours=27)


@pytest.mark.parametrize(
    ("name", "operation", "hours"),
    [("log", "execute", 12), ("out", "execute", 24), ("snapshot", "stop", 48), ("log", "stop", 48)],
)
async def test_each_sort_has_its_own_time(
    audit: store_audit.Audit, name: str, operation: str, hours: float
) -> None:
    """Logs, outputs, and what a session left when it went."""
    run_id = await ended(audit, b"x", name=name, operation=operation)
    await keep(audit, hours=hours - 1)
    assert not await removed(audit, run_id)
    await keep(audit, hours=hours + 1)
    assert await removed(audit, run_id)


async def test_equal_bytes_stay_for_others(audit: store_audit.Audit) -> None:
    """Two runs and two projects with the same bytes: they go with the last pointer that has not gone."""
    ours = await ended(audit, b"shared")
    theirs = await ended(audit, b"shared", project="long")
    await twice(audit, hours=25)
    assert await removed(audit, ours)
    assert not await removed(audit, theirs)
    assert b"shared" in await stored(audit)
    assert await audit.rows("select 1 from ops.removals") == []
    await audit.rows(
        """update ops.projects set spec = '{"retention": {"artifacts": "1d"}}' where name = 'long' returning 1"""
    )
    await twice(audit, hours=25)
    assert await removed(audit, theirs)
    assert b"shared" not in await stored(audit)


async def name_it(audit: store_audit.Audit, how: str, sha256: str) -> None:
    """Let something need the bytes."""
    columns = "(id, kind, namespace, name, spec, facts) values (gen_random_uuid(), %s, 'x', 'x', %s, %s) returning 1"
    facts, spec = json.dumps({"versions": [{"sha256": sha256}]}), json.dumps({})
    match how:
        case "model":
            await audit.rows(f"insert into ops.models {columns}", "Model", spec, facts)
        case "declared":
            await audit.rows(
                "insert into ops.declared (kind, namespace, name, source, spec, hash)"
                " values ('Model', 'x', 'x', 's', %s, repeat('a', 64)) returning 1",
                json.dumps({"versions": [{"version": "1", "artifact": f"artifact:{sha256}"}]}),
            )
        case "dataset":
            uri = json.dumps({"uri": f"artifact:{sha256}"})
            await audit.rows(f"insert into ops.datasets {columns}", "Dataset", uri, "{}")
        case "session":
            left = json.dumps({"snapshot": sha256})
            await audit.rows(f"insert into ops.sessions {columns}", "Session", spec, left)
        case "open run" | "code of a run":
            needs = (
                {"code": {"sha256": sha256}} if "code" in how else {"inputs": [{"sha256": sha256}]}
            )
            order = worlds.order(worlds.new_id(), project=None, document=needs)
            await audit.store.enqueue([order])
            if "code" in how:
                (run,) = await audit.store.claim("w", limit=1, lease=60)
                await audit.store.finish(run.run_id, run.fencing, worlds.outcome())
        case "code of a source":
            code = {"p": ports_code(sha256)}
            await audit.store.mirror("s", [], complete=True, commit=None, code=code)


def ports_code(sha256: str) -> Any:
    """A snapshot of code."""
    from workbenchx.planner import model  # noqa: PLC0415 - one use

    return model.Code(sha256=sha256, commit=None)


@pytest.mark.parametrize(
    "how",
    ["model", "declared", "dataset", "session", "open run", "code of a run", "code of a source"],
)
async def test_what_something_needs_is_not_over(audit: store_audit.Audit, how: str) -> None:
    """A Model, a Dataset, a Session, an order or code of a run names the bytes: the pointer stays as it is."""
    run_id = await ended(audit, b"needed")
    ((sha256,),) = await audit.rows("select sha256 from ops.artifacts")
    await name_it(audit, how, str(sha256))
    await twice(audit, hours=25)
    assert not await removed(audit, run_id)
    assert b"needed" in await stored(audit)


async def test_what_becomes_needed_in_between_stays(audit: store_audit.Audit) -> None:
    """Between intent and deed a Model names the bytes: they stay, though the pointer has gone."""
    await ended(audit, b"needed")
    ((sha256,),) = await audit.rows("select sha256 from ops.artifacts")
    await keep(audit, hours=25)
    await name_it(audit, "model", str(sha256))
    await keep(audit, hours=26)
    assert b"needed" in await stored(audit)
    assert await audit.rows("select 1 from ops.removals") == []


async def test_documents_of_anchors_never_go(audit: store_audit.Audit) -> None:
    """Also where an owner makes a pointer to one that is over, and deletes the row of the anchor."""
    (run_id,) = await audit.runs(1)
    made = await audit.anchor()
    assert made is not None
    async with audit.rewriting() as owner:
        await owner.execute(
            "insert into ops.artifacts (run_id, project_id, name, bucket, key, bytes, sha256)"
            " select %s, id, 'mine', 'local', 'sha256/' || %s, 1, %s from ops.projects where name = 'brief'",
            (run_id, made.root, made.root),
        )
        await owner.execute("delete from ops.anchors")
        await owner.execute("insert into ops.removals (sha256, bytes) values (%s, 1)", (made.root,))
    await twice(audit, hours=25)
    assert await audit.storage.exists(made.root)
    assert await audit.bad() == {"anchor 1": "unrecorded"}


async def test_the_same_bytes_stored_before_the_deed_stay(audit: store_audit.Audit) -> None:
    """A new pointer takes the intent back."""
    await ended(audit, b"again")
    await keep(audit, hours=25)
    again = await ended(audit, b"again", project="long")
    await keep(audit, hours=26)
    assert not await removed(audit, again)
    assert b"again" in await stored(audit)


async def test_the_same_bytes_stored_during_the_deed_are_stored_again(
    audit: store_audit.Audit,
) -> None:
    """A run that stored them before they were deleted may not end with them; claimed anew, it may."""
    await ended(audit, b"again")
    await keep(audit, hours=25)
    order = worlds.order(worlds.new_id(), project="long")
    await audit.store.enqueue([order])
    (run,) = await audit.store.claim("w", limit=1, lease=60)
    blob = await audit.stored(b"again")
    outcome = worlds.outcome(artifacts=[("out", blob, "text/plain")])
    assert await audit.store.begin_deleting([blob.sha256], spared=()) == [blob.sha256]
    with pytest.raises(errors.Conflict):
        await audit.store.finish(run.run_id, run.fencing, outcome)
    await audit.storage.delete(blob.sha256)
    await audit.store.deleted([blob.sha256])
    with pytest.raises(errors.Conflict):
        await audit.store.finish(run.run_id, run.fencing, outcome)
    await audit.store.forget_removals()
    assert await audit.rows("select state from ops.removals") == [("deleted",)]
    await audit.store.release("w")
    (anew,) = await audit.store.claim("w", limit=1, lease=60)
    await audit.stored(b"again")
    assert await audit.store.finish(anew.run_id, anew.fencing, outcome)
    await keep(audit, hours=26)
    assert b"again" in await stored(audit)
    assert await audit.rows("select 1 from ops.removals") == []


@pytest.mark.parametrize("name", failpoints.REMOVING)
async def test_a_kill_while_removing_is_survived(audit: store_audit.Audit, name: str) -> None:
    """Wherever it dies: what is to stay stays, what is to go goes the next time, told once."""
    gone = await ended(audit, b"gone")
    await ended(audit, b"stays", project="long")
    hours = 25.0
    if name != "removal.intended":
        await keep(audit, hours=hours)
        hours += 1
    await audit.killed(_KEEP.replace("HOURS", str(hours)), name)
    await twice(audit, hours=hours)
    assert await stored(audit) == {b"stays"}
    query = (
        "select count(*) from ops.run_events where run_id::text = %s and type = 'ArtifactRemoved'"
    )
    assert await audit.rows(query, gone) == [(1,)]
    assert await audit.rows("select 1 from ops.removals") == []


async def test_a_pointer_that_is_made_again_has_bytes(audit: store_audit.Audit) -> None:
    """The cycle: removed, stored by a reproduction, over again, removed again."""
    await ended(audit, b"cycle")
    await twice(audit, hours=25)
    assert await stored(audit) == set()
    again = await ended(audit, b"cycle", operation="reproduce")
    assert await stored(audit) == {b"cycle"}
    assert not await removed(audit, again)
    await twice(audit, hours=25)
    assert await stored(audit) == set()


def test_what_is_no_duration_keeps() -> None:
    """A policy that cannot be read removes nothing."""
    now = datetime.datetime.now(datetime.UTC)
    policy = {"artifacts": "soon", "logs": "99999999d", "snapshots": None}
    assert retention.cutoff("p", policy, now) == ports.Cutoff("p", None, None, None)
