"""A run that waits for a person before its command can start: what its resource says."""

import pytest

from workbenchx.api import reasons, states
from workbenchx.planner import model, verdicts

KEY = model.Key("RunnerJob", "n", "job")


def _run(state: model.ExecutionState, reason: str, external: str | None = None) -> model.Execution:
    return model.Execution(
        "run", KEY, "execute", state, reason=reason, message="what to do", external_id=external
    )


@pytest.mark.parametrize("state", [model.ExecutionState.QUEUED, model.ExecutionState.RUNNING])
def test_it_says_for_what_while_it_is_tried(state: model.ExecutionState) -> None:
    """The same while it is in the queue and while a worker tries it: nothing flickers."""
    said = verdicts.of_execution(KEY, _run(state, "SecretMissing"))
    assert (said.state, said.ready) == (states.State.QUEUED, False)
    assert (said.reason, said.message) == ("SecretMissing", "what to do")


@pytest.mark.parametrize(
    ("reason", "external"), [("SecretMissing", "box-1"), ("RateLimited", None), ("", None)]
)
def test_what_has_started_or_passes_by_itself_runs(reason: str, external: str | None) -> None:
    """A command that was started waits for nobody; what passes by itself is not told as a person's part."""
    said = verdicts.of_execution(KEY, _run(model.ExecutionState.RUNNING, reason, external))
    assert (said.state, said.reason) == (states.State.RUNNING, reasons.Reason.RUNNING)
    assert said.message == ""
