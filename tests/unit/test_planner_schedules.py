"""Schedules: each firing once; what happens to one that was missed, or comes while the last one runs."""

import dataclasses
import datetime
from typing import Any

import planner_worlds as worlds
import pytest

from workbenchx.planner import plan, schedules

JOB = "RunnerJob/nightly"


def _life(schedule: str = "0 * * * *", **spec: Any) -> worlds.Life:
    life = worlds.Life(*worlds.platform(), worlds.job("nightly", schedule=schedule, **spec))
    life.apply()
    return life


def _due(life: worlds.Life) -> list[str]:
    """The firings that a pass starts now, as hour:minute."""
    found = life.apply()
    return [
        step.scheduled_for.strftime("%H:%M")
        for step in found.steps
        if step.operation and step.scheduled_for
    ]


def test_nothing_before_its_time() -> None:
    """A new schedule is Ready/Scheduled, runs nothing at once, and the report says when it is due."""
    life = worlds.Life(*worlds.platform(), worlds.job("nightly", schedule="0 * * * *"))
    found = life.apply()

    assert ["create New"] == worlds.steps_of(found, JOB)
    assert (True, "Scheduled") == worlds.standing(found, JOB)
    assert [worlds.START + datetime.timedelta(hours=1)] == [wait.until for wait in found.waits]


def test_a_firing_runs_once() -> None:
    """At its time, once, however often it is planned, during and after the run."""
    life = _life()
    life.wait(3600)

    assert ["13:00"] == _due(life)
    assert [] == _due(life)
    life.finish()
    assert [] == _due(life)
    life.wait(3599)
    assert [] == _due(life)
    life.wait(1)
    assert ["14:00"] == _due(life)


def test_a_run_of_a_schedule_stays_ready() -> None:
    """Ready does not flap with each run; it is lost when a run fails, and comes back with the next good one."""
    life = _life()
    life.wait(3600)
    starting = life.apply()
    running = life.apply()
    life.finish(worlds.badly())
    failed = life.apply()
    life.wait(3600)
    life.apply()
    life.finish()
    well = life.apply()

    assert [True, True, False, True] == [
        worlds.verdict(found, JOB).ready for found in (starting, running, failed, well)
    ]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("RunOnce", [["15:00"]]), ("Skip", []), ("RunAll", [["13:00"], ["14:00"], ["15:00"]])],
)
def test_missed_runs(policy: str, expected: list[list[str]]) -> None:
    """Three times passed while nobody looked: once for all of them, none, or each."""
    life = _life(missedRunPolicy=policy)
    life.wait(3 * 3600 + 1800)
    found = []
    while due := _due(life):
        found.append(due)
        life.finish()

    assert expected == found


def test_just_late_is_not_missed() -> None:
    """Skip runs a firing that is seen within five minutes."""
    life = _life(missedRunPolicy="Skip")
    life.wait(3600 + 200)

    assert ["13:00"] == _due(life)


def test_allow_runs_beside_the_running_one() -> None:
    """Both run, with attempts of their own."""
    life = _life(concurrencyPolicy="Allow")
    life.wait(3600)
    first = _due(life)
    life.wait(3600)

    assert [["13:00"], ["14:00"]] == [first, _due(life)]
    assert [1, 2] == sorted(run.attempt for run in life.executions.values())


def test_forbid_waits_for_the_running_one() -> None:
    """The new firing comes when the old run has ended."""
    life = _life(concurrencyPolicy="Forbid")
    life.wait(3600)
    life.apply()
    life.wait(3600)

    assert [] == _due(life)
    life.finish()
    assert ["14:00"] == _due(life)


def test_replace_ends_the_running_one() -> None:
    """It is asked to end, once, and the new firing follows."""
    life = _life(concurrencyPolicy="Replace")
    life.wait(3600)
    life.apply()
    life.wait(3600)
    found = life.apply()
    again = life.apply()
    life.finish()

    assert [1, 0] == [len(seen.inputs["cancels"]) for seen in (found, again)]
    assert ["14:00"] == _due(life)


def test_a_retry_belongs_to_its_firing() -> None:
    """It keeps the firing's time; tries count from one with the next firing."""
    life = _life(retries=1)
    life.wait(3600)
    life.apply()
    life.finish(worlds.badly())
    life.wait(10)
    found = life.apply()
    step = next(step for step in found.steps if step.operation)
    life.finish(worlds.badly())
    life.wait(3600)
    following = next(step for step in life.apply().steps if step.operation)

    assert ("Retry", 2, "13:00") == (
        step.because.value,
        step.tries,
        step.scheduled_for and step.scheduled_for.strftime("%H:%M"),
    )
    assert ("Scheduled", 1) == (following.because.value, following.tries)


def test_a_new_schedule_starts_from_now() -> None:
    """Firings of the new text that lie in the past are not made up for."""
    life = _life()
    life.wait(1800)
    life.add(worlds.job("nightly", schedule="15 * * * *"))

    assert [] == _due(life)
    life.wait(2700)
    assert ["13:15"] == _due(life)


def test_a_changed_command_waits_for_the_next_firing() -> None:
    """A schedule runs at its times only."""
    life = _life()
    life.add(worlds.job("nightly", schedule="0 * * * *", command=["run", "better"]))
    found = life.apply()

    assert [f"update {JOB} SpecChanged"] == worlds.said(found)
    life.wait(3600)
    assert ["13:00"] == _due(life)


def test_suspended_does_not_fire() -> None:
    """While it is suspended no run starts; afterwards it goes on by its policy."""
    life = _life(missedRunPolicy="Skip")
    life.order("suspend", JOB)
    life.wait(3 * 3600 + 1800)
    found = life.apply()

    assert [] == worlds.said(found)
    assert (False, "Suspended") == worlds.standing(found, JOB)
    life.order("resume", JOB)
    assert [] == _due(life)
    life.wait(1800)
    assert ["16:00"] == _due(life)


def test_an_ordered_run_is_outside_the_schedule() -> None:
    """wbx rerun runs it now, also if it never ran; the schedule is not moved by it."""
    life = _life()
    life.order("rerun", JOB)
    found = life.apply()
    life.finish()
    life.wait(3600)

    assert [f"run {JOB} Rerun execute"] == worlds.said(found)
    assert {} == life.interventions
    assert ["13:00"] == _due(life)


def test_what_waits_keeps_its_firing() -> None:
    """A firing that cannot start (the runtime is not approved) starts when it can."""
    life = _life()
    life.add(*worlds.platform(approved=False))
    life.wait(3600)
    blocked = life.apply()
    again = life.apply()
    life.add(*worlds.platform())

    assert (False, "RuntimeNotApproved") == worlds.standing(again, JOB)
    assert 0 == blocked.counts["run"]
    assert ["13:00"] == _due(life)


@pytest.mark.parametrize(("cron", "zone"), [("0 0 30 2 *", "UTC"), ("0 3 * * *", "Moon/Base")])
def test_it_never_fires(cron: str, zone: str) -> None:
    """A date that never comes, or a time of nowhere, is NotScheduled and breaks no plan."""
    life = worlds.Life(*worlds.platform(), worlds.job("nightly", schedule=cron, timeZone=zone))

    assert (True, "NotScheduled") == worlds.standing(life.plan(), JOB)


@pytest.mark.parametrize(
    ("zone", "hour"), [("UTC", 3), ("Asia/Manila", 19), ("Europe/Berlin", 2), (None, 3)]
)
def test_times_are_of_their_zone(zone: str | None, hour: int) -> None:
    """Three at night in the job's own time zone, told in UTC."""
    found = schedules.following("0 3 * * *", zone, worlds.START)

    assert found is not None
    assert (hour, datetime.UTC) == (found.hour, found.tzinfo)


def test_daylight_saving_skips_and_doubles_nothing() -> None:
    """A night without, and one with two, times half past two: one firing each."""
    zone = "Europe/Berlin"
    spring = datetime.datetime(2026, 3, 28, 12, tzinfo=datetime.UTC)
    autumn = datetime.datetime(2026, 10, 24, 12, tzinfo=datetime.UTC)
    two_days = datetime.timedelta(days=2)

    for start in (spring, autumn):
        assert 2 == len(schedules.missed("30 2 * * *", zone, start, start + two_days))


def test_missed_is_bounded() -> None:
    """After a year of every minute, the newest hundred."""
    since = worlds.START - datetime.timedelta(days=365)
    found = schedules.missed("* * * * *", None, since, worlds.START)

    assert 100 == len(found)
    assert worlds.START == found[-1]


@pytest.mark.parametrize("text", [None, "", "yesterday", 7, []])
def test_what_is_no_time_is_none(text: object) -> None:
    """A fact of another shape does not break a plan."""
    assert schedules.parse(text) is None


def test_times_in_facts_keep_their_offset() -> None:
    """With or without one, they are read as UTC."""
    assert worlds.START == schedules.parse("2026-11-23T12:00:00")
    assert worlds.START == schedules.parse("2026-11-23T20:00:00+08:00")
    assert worlds.START == schedules.parse(worlds.START)


def test_a_manual_clock_is_the_only_one() -> None:
    """The same world planned at another time of the day differs only by World.now."""
    life = _life()
    life.wait(3600)
    early = dataclasses.replace(life.world, now=worlds.START)

    assert 1 == life.plan().counts["run"]
    assert [] == [step for step in plan.plan(early).steps if step.operation]
