"""The governor: workers of one installation call a provider as one, and leave it alone while it does not answer."""

import asyncio
import uuid

import pytest
import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx import errors, ports
from workbenchx.engine import governor, ids
from workbenchx.planner import model
from workbenchx.store import postgres

__all__ = ["database", "server", "store"]
BOX = "box"
BREAKER = ports.Breaker(threshold=3, pause=600.0, longest=3600.0)


def limited(seconds: float = 900.0) -> errors.Waiting:
    """What an adapter says of a 429."""
    return errors.Waiting("box: 429", reason="RateLimited", retry_after=seconds)


def down() -> errors.Waiting:
    """What an adapter says of a 503."""
    return errors.Waiting("box: 503", reason="ProviderUnavailable")


async def call(one: governor.Governor, problem: errors.WorkbenchError | None = None) -> None:
    """One call that ends so."""
    async with one.call(BOX):
        if problem:
            raise problem


async def refused(
    one: governor.Governor, problem: errors.WorkbenchError | None = None
) -> errors.Waiting:
    """The Waiting that a call ends with."""
    with pytest.raises(errors.Waiting) as found:
        await call(one, problem)
    return found.value


async def due(store: postgres.Postgres) -> None:
    """The pause is over."""
    async with store.connections.transaction() as conn:
        await conn.execute("update ops.provider_gates set retry_at = now() - interval '1 second'")


async def test_one_429_holds_every_process(store: postgres.Postgres) -> None:
    """Who never saw it waits as long as the vendor said; the vendor is not called."""
    seen, other = governor.Governor(store), governor.Governor(store)
    await refused(seen, limited())
    told = await refused(other)
    assert (told.reason, told.retry_after > 600) == ("RateLimited", True)
    assert "box: 429" in told.message


async def test_a_short_hold_is_waited_out(store: postgres.Postgres) -> None:
    """Nothing is given back to the queue for a second."""
    one = governor.Governor(store)
    await refused(one, limited(1.0))
    await call(one)


async def test_calls_of_a_minute_are_shared(store: postgres.Postgres) -> None:
    """Two processes and forty calls at once of which a minute allows four (or eight, if it turns meanwhile)."""
    await _limit(store, {"requestsPerMinute": 4})
    both = [governor.Governor(store) for _ in range(2)]
    ends = await asyncio.gather(*(call(one) for one in both * 20), return_exceptions=True)
    done = [each for each in ends if each is None]
    waits = [each for each in ends if isinstance(each, errors.Waiting)]
    assert 4 <= len(done) <= 8
    assert {each.reason for each in waits} == {"RateLimited"}
    assert "requestsPerMinute" in waits[0].message


async def test_an_outage_is_left_alone_by_all_and_one_tries(store: postgres.Postgres) -> None:
    """Three failures in a row open the gate for all; when it is due one call goes through, and its answer closes it."""
    one, other, third = (governor.Governor(store, breaker=BREAKER) for _ in range(3))
    for _ in range(2):
        await refused(one, down())
        await refused(other, down())
    await call(one)
    await refused(one, down())
    await call(third)
    await refused(other, down())
    told = await refused(governor.Governor(store))
    assert (told.reason, told.retry_after > 300) == ("ProviderUnavailable", True)
    await due(store)
    fresh = [governor.Governor(store, breaker=BREAKER) for _ in range(6)]
    ends = await asyncio.gather(*(call(each) for each in fresh), return_exceptions=True)
    # Who asked after the probe was answered may call again.
    assert ends.count(None) >= 1
    assert not (await store.gates())[BOX].open
    await call(governor.Governor(store))


async def test_a_failed_try_keeps_it_alone(store: postgres.Postgres) -> None:
    """The next pause is longer."""
    one = governor.Governor(store, breaker=BREAKER)
    for _ in range(3):
        await refused(one, down())
    await due(store)
    told = await refused(governor.Governor(store, breaker=BREAKER), down())
    assert told.message == "box: 503"
    gate = (await store.gates())[BOX]
    assert (gate.open, gate.retry > 700) == (True, True)


async def test_a_refusal_is_an_answer(store: postgres.Postgres) -> None:
    """What a person must mend, or a lack of room, is no outage."""
    one = governor.Governor(store, breaker=BREAKER)
    full = errors.Waiting("box: no room", reason="SandboxUnavailable")
    for _ in range(5):
        await refused(one, full)
        with pytest.raises(errors.Stalled):
            await call(one, errors.Stalled("box: 422", reason="InvalidSpec"))
    assert await store.gates() == {}


async def test_no_run_of_a_provider_that_is_left_alone_is_claimed(store: postgres.Postgres) -> None:
    """Held or open: none; due: one, to try; free: all. Others' runs go on."""
    await store.enqueue([_order(BOX) for _ in range(3)] + [_order("other")])
    await store.hold(BOX, seconds=900, message="429")
    assert [each.provider for each in await store.claim("w", limit=9, lease=60)] == ["other"]
    async with store.connections.transaction() as conn:
        await conn.execute("update ops.provider_gates set held_until = now()")
    await store.leave_alone(BOX, "503", BREAKER)
    assert await store.claim("w", limit=9, lease=60) == []
    await due(store)
    assert len(await store.claim("w", limit=9, lease=60)) == 1
    await store.answers(BOX)
    assert len(await store.claim("w", limit=9, lease=60)) == 2


async def test_the_limit_of_a_provider_object_counts(store: postgres.Postgres) -> None:
    """`limits.concurrency` of the object whose adapter the runs bear: no more of them are held at once."""
    await _limit(store, {"concurrency": 2})
    await store.enqueue([_order(BOX) for _ in range(5)])
    assert len(await store.claim("w", limit=9, lease=60)) == 2
    assert await store.claim("x", limit=9, lease=60) == []


async def _limit(store: postgres.Postgres, limits: dict[str, int]) -> None:
    """A provider object with limits, whose name is not that of its adapter."""
    epoch, _ = await worlds.project_with_job(store)
    spec = {"adapter": BOX, "default": True, "limits": limits}
    key = model.Key("SandboxProvider", "", "box-of-ours")
    option = worlds.created(worlds.declared(key, spec))
    assert await store.settle(epoch, worlds.batch(rows=[option]))


async def test_waiting_for_a_provider_is_not_the_run_s_time(store: postgres.Postgres) -> None:
    """Back in the queue the deadline begins anew, unless its command was claimed or the cause is another."""
    deadlines = []
    for reason in ("ProviderUnavailable", "SandboxUnavailable"):
        await store.enqueue([_order("other")])
        (run,) = await store.claim("w", limit=1, lease=60)
        await store.requeue(run.run_id, run.fencing, reason=reason, message="", delay=0)
        async with store.connections.transaction() as conn:
            await conn.execute("update ops.runs set deadline = deadline - interval '1 hour'")
        (again,) = await store.claim("w", limit=1, lease=60)
        deadlines.append(again.deadline >= run.deadline)
        await store.claim_start(
            again.run_id, again.fencing, external_id="x", provider="other", command=["true"]
        )
        await store.requeue(again.run_id, again.fencing, reason=reason, message="", delay=0)
        (third,) = await store.claim("w", limit=1, lease=60)
        assert (third.deadline, third.started) == (again.deadline, True)
    assert deadlines == [True, False]


def _order(provider: str) -> ports.RunOrder:
    run_id = ids.run_id()
    return ports.RunOrder(
        run_id=run_id,
        key=model.Key("RunnerJob", "x", f"job-{run_id[-6:]}"),
        resource_uid=str(uuid.uuid4()),
        project=None,
        operation="execute",
        provider=provider,
        document={},
    )
