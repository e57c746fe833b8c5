"""The laws of the queue: fencing, leases, exactly once."""

import asyncio
import datetime
import decimal

import pytest
import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx import errors, ports
from workbenchx.planner import model
from workbenchx.store import postgres, reads

__all__ = ["database", "server", "store"]


async def test_claim_start_is_true_exactly_once(store: postgres.Postgres) -> None:
    """Twenty tasks ask at once to start one attempt: one may."""
    _, uid = await worlds.project_with_job(store)
    run = await worlds.claimed(store, uid)

    async def start() -> bool:
        return await store.claim_start(
            run.run_id, run.fencing, external_id="sb", provider="local", command=["true"]
        )

    answers = await asyncio.gather(*(start() for _ in range(20)))
    assert answers.count(True) == 1
    assert len(await reads.Reads(store.connections).sandbox_runs(run.run_id)) == 1


async def test_twenty_workers_share_a_queue_without_a_run_twice(store: postgres.Postgres) -> None:
    """Concurrent claims hand out each run once, and all of them."""
    _, uid = await worlds.project_with_job(store)
    orders = [worlds.order(uid, attempt=number) for number in range(1, 61)]
    assert await store.enqueue(orders)
    claims = await asyncio.gather(
        *(store.claim(f"w{number}", limit=5, lease=60) for number in range(20))
    )
    taken = [run.run_id for claim in claims for run in claim]
    assert sorted(taken) == sorted(one.run_id for one in orders)


async def test_a_stale_token_changes_nothing(store: postgres.Postgres) -> None:
    """After a take-over the former holder can neither finish, requeue, start nor beat."""
    _, uid = await worlds.project_with_job(store)
    old = await worlds.claimed(store, uid)
    assert await store.release("w1") == 1
    (new,) = await store.claim("w2", limit=1, lease=60)
    assert new.fencing == old.fencing + 1
    assert new.reattach
    before = await reads.Reads(store.connections).run(old.run_id)
    assert not await store.finish(old.run_id, old.fencing, worlds.outcome())
    assert not await store.requeue(old.run_id, old.fencing, reason="Waiting", message="", delay=0)
    assert not await store.claim_start(
        old.run_id, old.fencing, external_id="sb", provider="local", command=[]
    )
    beat = await store.beat("w1", [(old.run_id, old.fencing)], lease=60)
    assert beat == ports.Beat(frozenset(), frozenset())
    assert await reads.Reads(store.connections).run(old.run_id) == before
    assert await store.finish(new.run_id, new.fencing, worlds.outcome())


async def test_an_expired_lease_is_taken_over_and_the_deadline_stays(
    store: postgres.Postgres,
) -> None:
    """A worker that is silent loses its run; the next one re-attaches and has no more time than the first."""
    _, uid = await worlds.project_with_job(store)
    assert await store.enqueue([worlds.order(uid, timeout=100)])
    (first,) = await store.claim("w1", limit=1, lease=0.0)
    (second,) = await store.claim("w2", limit=1, lease=60)
    assert (second.run_id, second.reattach) == (first.run_id, True)
    assert second.deadline == first.deadline
    assert second.started_at == first.started_at
    assert await store.claim("w3", limit=1, lease=60) == []


async def test_requeue_waits_and_comes_back_unattached(store: postgres.Postgres) -> None:
    """A run that was never started comes back as new; one whose command was started is re-attached."""
    _, uid = await worlds.project_with_job(store)
    run = await worlds.claimed(store, uid)
    assert await store.requeue(run.run_id, run.fencing, reason="Waiting", message="w", delay=3600)
    assert await store.claim("w1", limit=1, lease=60) == []
    other = await worlds.claimed(store, uid, attempt=2)
    assert await store.claim_start(
        other.run_id, other.fencing, external_id="sb", provider="local", command=["true"]
    )
    assert await store.requeue(other.run_id, other.fencing, reason="W", message="", delay=-1)
    (again,) = await store.claim("w2", limit=5, lease=60)
    assert (again.run_id, again.reattach) == (other.run_id, True)


async def test_a_provider_limit_holds_and_hides_nobody(
    store: postgres.Postgres, server: object
) -> None:
    """At most `limit` runs of a provider are open, under concurrency too; others go on behind it."""
    _, uid = await worlds.project_with_job(store)
    store.limits = {"small": 3}
    many = [worlds.order(uid, attempt=n, provider="small") for n in range(1, 31)]
    last = worlds.order(uid, attempt=99, provider="other")
    assert await store.enqueue([*many, last])
    claims = await asyncio.gather(*(store.claim(f"w{n}", limit=4, lease=60) for n in range(8)))
    taken = [run for claim in claims for run in claim]
    assert sorted(run.provider for run in taken) == ["other", "small", "small", "small"]
    done = next(run for run in taken if run.provider == "small")
    assert await store.finish(done.run_id, done.fencing, worlds.outcome())
    assert len(await store.claim("w", limit=10, lease=60)) == 1


async def test_claims_are_oldest_first(store: postgres.Postgres) -> None:
    """What was ordered first is taken first."""
    _, uid = await worlds.project_with_job(store)
    orders = [worlds.order(uid, attempt=number) for number in range(1, 6)]
    for one in orders:
        assert await store.enqueue([one])
    taken = [(await store.claim("w", limit=1, lease=60))[0].run_id for _ in orders]
    assert taken == [one.run_id for one in orders]


async def test_claim_takes_only_the_operations_asked_for(store: postgres.Postgres) -> None:
    """A worker of some operations leaves the others."""
    _, uid = await worlds.project_with_job(store)
    await store.enqueue([worlds.order(uid), worlds.order(uid, operation="create")])
    (run,) = await store.claim("w", limit=5, lease=60, operations=["create"])
    assert run.operation == "create"


async def test_finish_records_everything_in_one_go(store: postgres.Postgres) -> None:
    """State, metrics (also what is no number), artifacts, attempt, facts, external id, events, chain head."""
    _, uid = await worlds.project_with_job(store)
    run = await worlds.claimed(store, uid)
    await store.claim_start(
        run.run_id, run.fencing, external_id="sb", provider="local", command=["true"]
    )
    done = worlds.outcome(
        exit_code=0,
        message="fine\0",
        metrics={"loss": float("nan"), "score": 0.5},
        artifacts=[("model", worlds.blob(), "application/json"), ("log", worlds.blob("b"), "t/p")],
        facts={"external_id": "sb", "url": "http://x", "gone": None},
    )
    assert await store.finish(run.run_id, run.fencing, done)
    ask = reads.Reads(store.connections)
    row = await ask.run(run.run_id)
    assert (row["state"], row["exit_code"]) == ("succeeded", 0)
    assert row["metrics"] == {"loss": "nan", "score": 0.5}
    assert row["event_head"]
    (attempt,) = await ask.sandbox_runs(run.run_id)
    assert (attempt["state"], attempt["exit_code"]) == ("succeeded", 0)
    world = await worlds.world(store)
    recorded = next(one for one in world.recorded if one.key == worlds.JOB)
    assert recorded.facts == {"external_id": "sb", "url": "http://x"}
    assert (recorded.external_id, recorded.provider) == ("sb", "local")
    (execution,) = world.executions
    assert execution.outputs == {"model": "a" * 64}
    types = [event["type"] for event in await ask.events(run.run_id)]
    assert types == ["RunQueued", "RunClaimed", "CommandClaimed", "RunSucceeded"]
    assert [chain.verdict async for chain in ask.verify(run.run_id)] == ["intact"]


@pytest.mark.parametrize(("operation", "costs"), [("execute", "0.500000"), ("create", "0.000000")])
async def test_an_execution_costs_its_rate_while_it_ran(
    store: postgres.Postgres, operation: str, costs: str
) -> None:
    """Half an hour at one dollar an hour, in its row and in its last event; what makes a thing that lives on is not paid for by the making."""
    _, uid = await worlds.project_with_job(store)
    order = worlds.order(uid, operation=operation, cost_estimate=decimal.Decimal(1))
    assert await store.enqueue([order])
    (run,) = await store.claim("w1", limit=1, lease=60)
    ended = datetime.datetime(2026, 1, 1, 12, 30, tzinfo=datetime.UTC)
    done = worlds.outcome(started_at=ended - datetime.timedelta(minutes=30), ended_at=ended)
    assert await store.finish(run.run_id, run.fencing, done)

    ask = reads.Reads(store.connections)
    assert str((await ask.run(run.run_id))["cost"]) == costs
    told = (await ask.events(run.run_id))[-1]["data"]["cost"]
    assert decimal.Decimal(told) == decimal.Decimal(costs)


async def test_finish_many_drops_only_the_stale(store: postgres.Postgres) -> None:
    """One stale token among many loses alone."""
    _, uid = await worlds.project_with_job(store)
    await store.enqueue([worlds.order(uid, attempt=number) for number in range(1, 11)])
    runs = await store.claim("w", limit=10, lease=60)
    ends = [
        (run.run_id, run.fencing + (index == 3), worlds.outcome()) for index, run in enumerate(runs)
    ]
    accepted = await store.finish_many(ends)
    assert accepted == {run.run_id for index, run in enumerate(runs) if index != 3}


async def test_a_taken_attempt_is_not_queued(store: postgres.Postgres) -> None:
    """Enqueue is all or nothing, and the same order twice is once."""
    _, uid = await worlds.project_with_job(store)
    first = worlds.order(uid, attempt=1)
    assert await store.enqueue([first])
    assert await store.enqueue([first])
    twin, free = worlds.order(uid, attempt=1), worlds.order(uid, attempt=2)
    assert not await store.enqueue([free, twin])
    assert len(await reads.Reads(store.connections).runs(kind="RunnerJob")) == 1


async def test_cancel_ends_what_nobody_touched_and_tells_the_holder_of_the_rest(
    store: postgres.Postgres,
) -> None:
    """Queued: cancelled at once. Running: told by the next beat, cancelled only when the holder says so."""
    _, uid = await worlds.project_with_job(store)
    run = await worlds.claimed(store, uid)
    waiting = worlds.order(uid, attempt=2)
    await store.enqueue([waiting])
    ask = reads.Reads(store.connections)
    for run_id in (run.run_id, waiting.run_id):
        await store.intervene("cancel", None, {"run_id": run_id}, actor="ada")
    assert (await ask.run(waiting.run_id))["state"] == "cancelled"
    assert (await ask.run(run.run_id))["state"] == "running"
    beat = await store.beat("w1", [(run.run_id, run.fencing)], lease=60)
    assert beat.cancel == {run.run_id}
    (seen,) = [one for one in (await worlds.world(store)).executions if one.state.open]
    assert seen.cancel_requested
    await store.finish(run.run_id, run.fencing, worlds.outcome(model.ExecutionState.CANCELLED))
    assert [c.verdict async for c in ask.verify()] == ["intact"] * 3


async def test_logs_are_written_once_and_read_from_anywhere(store: postgres.Postgres) -> None:
    """The same chunk twice is once; a reader may begin in the middle of a chunk."""
    _, uid = await worlds.project_with_job(store)
    run = await worlds.claimed(store, uid)
    chunks = [(0, b"hello "), (6, b"w\0rld"), (0, b"hello "), (6, b"w\0rld")]
    await asyncio.gather(*(store.append_log(run.run_id, 1, at, data) for at, data in chunks))
    assert await store.log_end(run.run_id, 1) == 11
    ask = reads.Reads(store.connections)
    assert await ask.log(run.run_id) == b"hello w\0rld"
    assert await ask.log(run.run_id, 3) == b"lo w\0rld"
    assert await ask.log(run.run_id, 11) == b""


async def test_concurrent_events_make_one_chain(store: postgres.Postgres) -> None:
    """Many writers of one run's events: no gap, no twin, an intact chain."""
    _, uid = await worlds.project_with_job(store)
    run = await worlds.claimed(store, uid)
    event = ports.Event(run.run_id, "MetricsRecorded", {"x": 1}, actor="a\nb")
    await asyncio.gather(*(store.append_events([event] * 3) for _ in range(10)))
    ask = reads.Reads(store.connections)
    assert [row["seq"] for row in await ask.events(run.run_id)] == list(range(1, 33))
    assert [chain.verdict async for chain in ask.verify(run.run_id)] == ["intact"]


async def test_an_event_is_told_once(store: postgres.Postgres) -> None:
    """Twenty ask at once to tell it: one does. A stale token tells nothing. Other types have their own turn."""
    _, uid = await worlds.project_with_job(store)
    run = await worlds.claimed(store, uid)
    event = ports.Event(run.run_id, "PreStopStarted", {"n": 1})
    answers = await asyncio.gather(*(store.append_once(run.fencing, event) for _ in range(20)))
    other = ports.Event(run.run_id, "PreStopEnded", {})
    with pytest.raises(errors.Conflict):
        await store.append_once(run.fencing - 1, other)
    assert answers.count(True) == 1
    assert await store.append_once(run.fencing, other)
    told = [row["type"] for row in await reads.Reads(store.connections).events(run.run_id)]
    assert told[-2:] == ["PreStopStarted", "PreStopEnded"]
    assert len(told) == len(set(told))


@pytest.mark.parametrize("word", ["", "zz", "%", "0000"])
async def test_an_unknown_run_is_told(store: postgres.Postgres, word: str) -> None:
    """A beginning that fits nothing is no run, whatever its characters."""
    await worlds.project_with_job(store)
    with pytest.raises(errors.Stalled, match="not known"):
        await reads.Reads(store.connections).run(word)
