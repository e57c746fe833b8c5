"""How a run ended: engine/outcomes."""

import pytest

from workbenchx import ports
from workbenchx.engine import outcomes


@pytest.mark.parametrize(
    ("state", "reason", "code", "expected"),
    [
        ("exited", "Exited", 0, ("succeeded", "Succeeded")),
        ("exited", "Exited", 3, ("failed", "Failed")),
        ("exited", "Signalled", -9, ("failed", "Failed")),
        ("exited", "DeadlineExceeded", -9, ("timed_out", "TimedOut")),
        ("exited", "OutOfMemory", -9, ("failed", "OutOfMemory")),
        ("exited", "Cancelled", -15, ("cancelled", "Cancelled")),
        ("exited", "Lost", None, ("lost", "Lost")),
        ("failed", "StartFailed", None, ("failed", "Failed")),
        ("unknown", "", 0, ("failed", "Failed")),
    ],
)
def test_state_and_reason_follow_from_the_provider(
    state: str, reason: str, code: int | None, expected: tuple[str, str]
) -> None:
    """Every way a sandbox can end has one outcome; only a clean exit is a success."""
    status = ports.SandboxStatus(name="wbx-1", state=state, tags={}, exit_code=code, reason=reason)

    outcome = outcomes.of_execution(status)

    assert (outcome.state.value, outcome.reason) == expected


def test_metrics_keep_finite_numbers_only() -> None:
    """NaN, infinity, text and booleans are not metrics."""
    document = b'{"loss": 0.5, "n": 3, "bad": NaN, "inf": Infinity, "text": "x", "flag": true}'

    assert outcomes.metrics(document) == {"loss": 0.5, "n": 3.0}


def test_metrics_that_are_no_object_are_refused() -> None:
    """A list is not metrics."""
    with pytest.raises(ValueError, match="metrics"):
        outcomes.metrics(b"[1, 2]")
