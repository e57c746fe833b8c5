"""Housekeeping: each chore is done by one worker at a time, when it is due, and again when it failed."""

import asyncio
import contextlib
import datetime
import pathlib

import pytest
import store_audit
import store_worlds as worlds
from store_fixtures import audit, database, server

from workbenchx import errors
from workbenchx.engine import housekeeping

__all__ = ["audit", "database", "server"]

ALL = ["anchor", "logs", "plans", "retention"]


class Clock:
    """A clock that is set by hand; noon."""

    def __init__(self) -> None:
        self.at = datetime.datetime.now(datetime.UTC).replace(hour=12)

    def now(self) -> datetime.datetime:
        """What it shows."""
        return self.at

    def go(self, **passed: float) -> None:
        """Time passes."""
        self.at += datetime.timedelta(**passed)


def keeper(audit: store_audit.Audit, clock: Clock, name: str = "w1") -> housekeeping.Housekeeper:
    """One worker's."""
    house = housekeeping.House(audit.store, audit.storage, audit.installation, clock)
    return housekeeping.Housekeeper(house, name=name)


async def test_each_chore_is_done_when_it_is_due(audit: store_audit.Audit) -> None:
    """All at first; retention every hour, the others after midnight UTC; yesterday's runs are anchored then."""
    clock = Clock()
    house = keeper(audit, clock)
    assert sorted(await house.look()) == ALL
    assert await house.look() == []
    clock.go(hours=1, minutes=1)
    assert await house.look() == ["retention"]
    runs = await audit.runs(2)
    clock.go(hours=12)
    assert sorted(await house.look()) == ALL
    assert {(await audit.verdicts())[run_id] for run_id in runs} == {"intact"}
    ((told,),) = await audit.rows("select message from ops.chores where name = 'anchor'")
    assert "anchor 1 over 2 runs" in str(told)


async def test_two_workers_share_the_chores(audit: store_audit.Audit) -> None:
    """Each chore is done once, whoever does it."""
    clock = Clock()
    houses = [keeper(audit, clock, f"w{number}") for number in range(4)]
    done = await asyncio.gather(*(house.look() for house in houses))
    assert sorted(name for names in done for name in names) == ALL


async def test_a_lease_keeps_others_away_until_it_is_over(audit: store_audit.Audit) -> None:
    """Whoever died in the middle of a chore is waited for as long as the lease says, and no longer."""
    now = Clock().now()
    name = await audit.store.claim_chore("dead", now=now, lease=60)
    assert name is not None
    others = [await audit.store.claim_chore("w", now=now, lease=60) for _ in range(4)]
    assert name not in others
    assert others[-1] is None
    assert await audit.store.renew_chore(name, "dead", lease=-1)
    assert await audit.store.claim_chore("w", now=now, lease=60) == name
    assert not await audit.store.renew_chore(name, "dead", lease=60)


async def test_what_cannot_be_done_is_told_and_tried_again(
    audit: store_audit.Audit, tmp_path: pathlib.Path
) -> None:
    """A storage that cannot be written does not stop the other chores; soon after, it is tried again.

    The row, which members read, has the reason and no path; the log has all.
    """
    await audit.runs(1)
    clock = Clock()
    house = keeper(audit, clock)
    clock.go(days=1)
    incoming = tmp_path / "storage" / "incoming"
    incoming.rmdir()
    assert sorted(await house.look()) == ALL
    ((told, ended),) = await audit.rows(
        "select message, ended_at from ops.chores where name = 'anchor'"
    )
    assert "StorageUnavailable" in str(told)
    assert str(tmp_path) not in str(told)
    assert ended is None
    incoming.mkdir()
    clock.go(minutes=16)
    assert await house.look() == ["anchor"]
    assert await audit.bad() == {}


async def test_who_is_stopped_gives_the_chore_back(audit: store_audit.Audit) -> None:
    """Cancelled in the middle, the chore is still due, and nobody waits for a lease."""
    clock = Clock()
    house = keeper(audit, clock)
    async with audit.rewriting() as owner:
        await owner.execute("lock table ops.plans in access exclusive mode")
        task = asyncio.create_task(house.look())
        while (
            await audit.rows(
                "select 1 from ops.chores where name = 'plans' and lease_until > now() and holder = 'w1'"
            )
            == []
        ):
            await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert "plans" in await keeper(audit, clock, "w2").look()


async def test_old_answers_of_models_are_forgotten(audit: store_audit.Audit) -> None:
    """After 90 days, with what was never sent; not while a pull request rests on them. What FixBot no longer looks at goes, too."""
    clock = Clock()
    async with audit.store.connections.transaction() as conn:
        for cause, asked in (
            ("a", "-infinity"),
            ("b", "2020-01-01"),
            ("c", "2020-01-01"),
            ("d", "now"),
        ):
            await conn.execute(
                "insert into ops.fix_answers (source, cause, project_id, kind, name, alias, asked_at)"
                " values ('s', repeat(%s, 64), gen_random_uuid(), 'RunnerJob', 'x', 'y', %s::timestamptz)",
                [cause, asked],
            )
        await conn.execute(
            "insert into ops.fix_proposals (source, fingerprint, state) values ('s', repeat('c', 64), 'snoozed')"
        )
        for source, due in (("seen", "now"), ("left", "2020-01-01")):
            await conn.execute(
                "insert into ops.fix_turns (source, due_at) values (%s, %s::timestamptz)",
                [source, due],
            )
            await conn.execute(
                "insert into ops.fix_waits (source, fingerprint, rule, kind, name, state, why)"
                " values (%s, 'f', 'r', 'RunnerJob', 'x', 'manual', 'w')",
                [source],
            )
    await keeper(audit, clock).look()
    ((told,),) = await audit.rows("select message from ops.chores where name = 'plans'")
    assert str(told).endswith("2 answers of models")
    kept = await audit.rows("select left(cause, 1) from ops.fix_answers order by 1")
    assert kept == [("c",), ("d",)]
    assert await audit.rows("select source from ops.fix_waits") == [("seen",)]


async def test_old_plans_are_forgotten(audit: store_audit.Audit) -> None:
    """Those that were last made more than ninety days ago; others stay."""
    for mark, days in (("a", 91), ("b", 89)):
        await audit.rows(
            "insert into ops.plans (id, complete, document, created_at, last_seen_at)"
            " values (repeat(%s, 64), true, '{}', now() - interval '1 year', now() - make_interval(days => %s))"
            " returning 1",
            mark,
            days,
        )
    clock = Clock()
    clock.at = worlds.now()
    await keeper(audit, clock).look()
    assert await audit.rows("select left(id, 1) from ops.plans") == [("b",)]


async def test_money_that_was_given_back_is_forgotten(audit: store_audit.Audit) -> None:
    """After ninety days; what is still set aside stays, and so does what was given back lately."""
    for usd, days in ((1, 91), (2, 89), (3, None)):
        await audit.rows(
            "insert into ops.reservations (run_id, usd, until_at, created_at, released_at) values (gen_random_uuid(),"
            " %s, now() - interval '1 year', now() - interval '1 year', now() - make_interval(days => %s)) returning 1",
            usd,
            days,
        )
    clock = Clock()
    clock.at = worlds.now()
    await keeper(audit, clock).look()
    found = await audit.rows("select usd::int from ops.reservations order by usd")
    assert found == [(2,), (3,)]


async def test_serving_keeps_house_by_itself(
    audit: store_audit.Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A housekeeper that serves does all that is due, and survives a database that is away."""
    monkeypatch.setattr(housekeeping, "BEGIN_SECONDS", 0.0)
    task = asyncio.create_task(keeper(audit, Clock()).serve())
    while await audit.rows("select 1 from ops.chores where ended_at is null"):
        await asyncio.sleep(0.02)
        assert not task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, errors.WorkbenchError):
        await task
