"""A snapshot of a session by order: taken while it runs, once, and never of what does not run."""

import planner_worlds as worlds

from workbenchx.planner import model

DESK = "Session/notebook"


def _life(**spec: str) -> worlds.Life:
    life = worlds.Life(*worlds.platform(), worlds.session(**spec))
    life.settle()
    return life


def test_a_snapshot_is_one_run_and_the_session_goes_on() -> None:
    """Ready meanwhile; afterwards the next object begins with what was kept."""
    life = _life()
    life.order("snapshot", DESK)
    found = life.apply()

    assert worlds.said(found) == ["update Session/notebook Ordered snapshot"]
    assert not found.steps[0].destructive
    assert worlds.said(life.apply()) == []
    assert worlds.standing(life.plan(), DESK) == (True, "Ready")
    life.finish()
    life.settle()
    kept = life.recorded[worlds.key(DESK)].facts["snapshot"]
    life.objects.clear()
    life.wait(1200)
    life.observe()
    (made,) = [step for step in life.plan().steps if step.operation == "create"]
    assert made.document is not None
    assert made.document["snapshot"] == kept


def test_one_thing_at_a_time() -> None:
    """An extension that was ordered too comes first, then the snapshot."""
    life = _life(ttl="1h")
    life.order("extend", DESK, by="1h")
    life.order("snapshot", DESK)
    seen = []
    for _ in range(4):
        seen += [step.operation for step in life.apply().steps if step.operation]
        life.finish()
        life.observe()

    assert seen == ["extend", "snapshot"]
    assert life.interventions == {}


def test_a_session_that_is_being_made_is_waited_for() -> None:
    """The order stays until it runs."""
    life = worlds.Life(*worlds.platform(), worlds.session())
    life.apply()
    life.order("snapshot", DESK)

    assert [step.operation for step in life.apply().steps if step.operation] == []
    assert len(life.interventions) == 1
    life.finish()
    life.observe()
    assert [step.operation for step in life.apply().steps if step.operation] == ["snapshot"]


def test_what_was_stopped_has_no_snapshot() -> None:
    """Used up; the report says why."""
    life = _life()
    life.order("stop", DESK)
    life.settle()
    life.order("snapshot", DESK)
    found = life.apply()

    assert worlds.waits(found, DESK) == {"NotRunning"}
    assert life.interventions == {}


def test_a_failed_snapshot_is_told_and_not_tried_again() -> None:
    """The run says why; the session is as Ready as before."""
    life = _life()
    life.order("snapshot", DESK)
    life.apply()
    life.finish(worlds.badly(reason="SnapshotsUnsupported"))

    assert worlds.said(life.settle()) == []
    assert worlds.standing(life.plan(), DESK) == (True, "Ready")
    (last,) = [run for run in worlds.runs_of(life, DESK) if run.operation == "snapshot"]
    assert last.state is model.ExecutionState.FAILED
