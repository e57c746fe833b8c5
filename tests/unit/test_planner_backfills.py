"""Backfill: the times of a schedule that nothing ran at, between two instants, one run each."""

import datetime
from typing import Any

import planner_worlds as worlds

from workbenchx.planner import model

JOB = "RunnerJob/nightly"
MIDNIGHT = worlds.START.replace(hour=0)


def _at(hour: int) -> str:
    return (MIDNIGHT + datetime.timedelta(hours=hour)).isoformat()


def _life(schedule: str = "0 * * * *", **spec: Any) -> worlds.Life:
    life = worlds.Life(*worlds.platform(), worlds.job("nightly", schedule=schedule, **spec))
    life.apply()
    return life


def _begun(life: worlds.Life) -> list[str]:
    """What a pass starts now, as hour:minute."""
    return [
        step.scheduled_for.strftime("%H:%M")
        for step in life.apply().steps
        if step.operation and step.scheduled_for
    ]


def _all(life: worlds.Life, ending: worlds.Ending = worlds.well) -> list[str]:
    """What is started until nothing more is."""
    found = []
    for _ in range(50):
        found += _begun(life)
        if not life.finish(ending):
            break
    return found


def test_each_time_runs_once_the_oldest_first() -> None:
    """Both ends belong to it; one at a time; then the order is used up, and the schedule goes on."""
    life = _life()
    life.order("backfill", JOB, **{"from": _at(3), "until": _at(6)})

    assert _begun(life) == ["03:00"]
    assert _begun(life) == []
    life.finish()
    assert _all(life) == ["04:00", "05:00", "06:00"]
    assert life.interventions == {}
    assert worlds.standing(life.apply(), JOB) == (True, "Scheduled")
    life.wait(3600)
    assert _begun(life) == ["13:00"]


def test_the_run_knows_its_time() -> None:
    """The order document names it: the command finds it in its environment."""
    life = _life()
    life.order("backfill", JOB, **{"from": _at(3), "until": _at(3)})
    (step,) = [step for step in life.plan().steps if step.operation]

    assert step.because is model.Because.ORDERED
    assert step.document is not None
    assert step.document["scheduled_for"] == _at(3)


def test_ordered_again_runs_only_what_is_missing() -> None:
    """The same order twice, overlapping ones, and times that the schedule ran itself: one run a time."""
    life = _life()
    life.wait(3600)
    assert _all(life) == ["13:00"]
    life.order("backfill", JOB, **{"from": _at(10), "until": _at(12)})
    life.order("backfill", JOB, **{"from": _at(11), "until": _at(23)})
    life.order("backfill", JOB, **{"from": _at(10), "until": _at(12)})

    assert _all(life) == ["10:00", "11:00", "12:00"]
    assert life.interventions == {}
    ran = [run.scheduled_for for run in worlds.runs_of(life, JOB)]
    assert len(ran) == len(set(ran)) == 4


def test_a_time_that_fails_is_retried_and_then_left() -> None:
    """As often as the job says; the next time is run all the same."""
    life = _life(retries=1)
    life.order("backfill", JOB, **{"from": _at(3), "until": _at(4)})
    tries = []
    for _ in range(8):
        tries += _begun(life)
        life.finish(worlds.badly())
        life.wait(30)

    assert tries == ["03:00", "03:00", "04:00", "04:00"]
    assert life.interventions == {}


def test_the_schedule_goes_first() -> None:
    """A time that is due now is run before those of the past."""
    life = _life()
    life.wait(3600)
    life.order("backfill", JOB, **{"from": _at(3), "until": _at(4)})

    assert _all(life) == ["13:00", "03:00", "04:00"]


def test_the_newest_time_is_what_others_take() -> None:
    """The output of an older time that runs later is not handed on instead."""
    life = _life(outputs=[{"name": "table", "path": "t.csv"}])
    life.add(worlds.job("report", inputs=[{"name": "t", "from": "RunnerJob/nightly/table"}]))
    life.wait(3600)
    life.settle()
    newest = next(run for run in worlds.runs_of(life, JOB) if run.scheduled_for)
    life.order("backfill", JOB, **{"from": _at(3), "until": _at(3)})
    life.settle(lambda _run, _order: {"state": model.ExecutionState.SUCCEEDED, "outputs": {"table": "f" * 64}})  # fmt: skip
    life.add(worlds.job("report", command=["again"], inputs=[{"name": "t", "from": "RunnerJob/nightly/table"}]))  # fmt: skip
    (step,) = [step for step in life.plan().steps if step.operation]

    assert step.document is not None
    assert step.document["inputs"][0]["sha256"] == newest.outputs["table"]


def test_there_is_a_most() -> None:
    """More than a thousand times are refused as one order, and the report says so."""
    life = _life("* * * * *")
    life.order("backfill", JOB, **{"from": (worlds.START - datetime.timedelta(days=2)).isoformat()})
    found = life.apply()

    assert [step for step in found.steps if step.operation] == []
    assert "BackfillTooLong" in worlds.waits(found, JOB)
    assert life.interventions == {}


def test_without_a_schedule_there_is_nothing_to_backfill() -> None:
    """Used up, and the report says so."""
    life = worlds.Life(*worlds.platform(), worlds.job())
    life.settle()
    life.order("backfill", "RunnerJob/ingest", **{"from": _at(3)})
    found = life.apply()

    assert worlds.waits(found, "RunnerJob/ingest") == {"NotScheduled"}
    assert life.interventions == {}
    assert not life.plan().executable
