"""Conditions out of a verdict."""

import datetime
import itertools
from typing import Any

import pytest

from workbenchx.api import conditions, meta, reasons, states

NOW = datetime.datetime(2025, 6, 1, 12, tzinfo=datetime.UTC)
LATER = NOW + datetime.timedelta(hours=1)


def _of(**changes: Any) -> list[conditions.Condition]:
    wanted: dict[str, Any] = {
        "ready": False,
        "reason": reasons.Reason.CREATING,
        "message": "is being made",
        "state": states.State.CREATING,
        "generation": 3,
        "now": NOW,
    }
    return conditions.of(**(wanted | changes))


def test_ready_stands_alone() -> None:
    """Reconciling and Stalled exist only while true."""
    (only,) = _of(ready=True, reason=reasons.Reason.READY, state=states.State.ACTIVE)
    assert (only["type"], only["status"], only["observedGeneration"]) == ("Ready", "True", 3)


@pytest.mark.parametrize("reason", sorted(reasons.Reason))
def test_kstatus_can_tell_in_progress_from_failed(reason: str) -> None:
    """Not Ready is either Reconciling or Stalled, never both; types are sorted; each one is a valid condition."""
    for state in states.State:
        made = _of(reason=reason, state=state)
        types = [item["type"] for item in made]
        assert types in (["Ready", "Reconciling"], ["Ready", "Stalled"]) or (
            types == ["Ready"] and reason == reasons.Reason.UNKNOWN
        )
        for item in made:
            meta.Condition.model_validate(item)


def test_what_a_person_must_change_is_stalled() -> None:
    """Held waits for a person."""
    made = _of(reason=reasons.Reason.HELD, state=states.State.HELD)
    assert [item["type"] for item in made] == ["Ready", "Stalled"]


def test_unknown_is_neither_true_nor_false() -> None:
    """An object that its provider did not show is not said to be broken."""
    made = _of(reason=reasons.Reason.UNKNOWN, state=states.State.UNKNOWN)
    assert [(item["type"], item["status"]) for item in made] == [("Ready", "Unknown")]


def test_the_time_stays_while_nothing_else_changes() -> None:
    """Saying the same again, even for a newer generation, is no transition."""
    again = _of(previous=_of(), now=LATER, generation=4)
    assert {item["lastTransitionTime"] for item in again} == {"2025-06-01T12:00:00Z"}
    assert {item["observedGeneration"] for item in again} == {4}


@pytest.mark.parametrize(
    ("change", "time"),
    [
        ({"ready": True, "reason": reasons.Reason.READY}, "2025-06-01T13:00:00Z"),
        ({"reason": reasons.Reason.QUEUED}, "2025-06-01T12:00:00Z"),
        ({"message": "almost there"}, "2025-06-01T12:00:00Z"),
    ],
)
def test_the_time_moves_when_the_status_does(change: dict[str, Any], time: str) -> None:
    """Another reason or message alone is no transition: so it is in Kubernetes."""
    made = _of(previous=_of(), now=LATER, **change)
    assert (made[0]["type"], made[0]["lastTransitionTime"]) == ("Ready", time)


def test_a_message_is_one_short_line() -> None:
    """A traceback does not fit into a status."""
    (ready, _) = _of(message="first\nsecond\t" + "x" * 5000)
    assert ready["message"].startswith("first second x")
    assert len(ready["message"]) == conditions.MESSAGE_LIMIT


def test_the_order_of_the_former_ones_does_not_matter() -> None:
    """They come from a map list, whose order is anybody's."""
    former = _of()
    answers = [_of(previous=order, now=LATER) for order in itertools.permutations(former)]
    assert answers[0] == answers[1]
