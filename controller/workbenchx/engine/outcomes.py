"""From what a provider says of an ended sandbox to how the run ended. Pure, the only place that decides it."""

import json
import math

from workbenchx import ports
from workbenchx.api import reasons
from workbenchx.planner import model

_STATES = {
    "DeadlineExceeded": (model.ExecutionState.TIMED_OUT, reasons.Reason.TIMED_OUT),
    "Cancelled": (model.ExecutionState.CANCELLED, reasons.Reason.CANCELLED),
    "Lost": (model.ExecutionState.LOST, reasons.Reason.LOST),
    "OutOfMemory": (model.ExecutionState.FAILED, reasons.Reason.OUT_OF_MEMORY),
}


def of_execution(status: ports.SandboxStatus) -> ports.Outcome:
    """The outcome of one command that ran to its end (or was ended)."""
    if status.reason in _STATES:
        state, reason = _STATES[status.reason]
    elif status.state == "exited" and status.exit_code == 0:
        state, reason = model.ExecutionState.SUCCEEDED, reasons.Reason.SUCCEEDED
    else:
        state, reason = model.ExecutionState.FAILED, reasons.Reason.FAILED
    return ports.Outcome(
        state=state,
        reason=reason,
        message=status.message or describe(status),
        exit_code=status.exit_code,
        started_at=status.started_at,
        ended_at=status.ended_at,
    )


def describe(status: ports.SandboxStatus) -> str:
    """One plain sentence about how it ended."""
    if status.reason == "DeadlineExceeded":
        return "ended at its deadline"
    if status.reason == "OutOfMemory":
        return "used more memory than its limit"
    if status.reason == "Signalled" and status.exit_code is not None:
        return f"killed by signal {abs(status.exit_code)}"
    if status.exit_code:
        return f"command exited with code {status.exit_code}"
    return status.reason and f"ended: {status.reason}"


def lost(message: str) -> ports.Outcome:
    """An attempt whose sandbox is gone without a trace of its end."""
    return ports.Outcome(
        state=model.ExecutionState.LOST, reason=reasons.Reason.LOST, message=message
    )


def timed_out(message: str) -> ports.Outcome:
    """A run whose sandbox was not there by its deadline."""
    return ports.Outcome(
        state=model.ExecutionState.TIMED_OUT,
        reason=reasons.Reason.TIMED_OUT,
        message=f"its command never started: {message}",
    )


def failed(reason: str, message: str) -> ports.Outcome:
    """A run that a person must look at."""
    return ports.Outcome(state=model.ExecutionState.FAILED, reason=reason, message=message)


def metrics(document: bytes) -> dict[str, float]:
    """The finite numbers of a metrics file (a JSON object name → number); others are left out.

    Raises:
        ValueError: the file is not a JSON object.
    """
    loaded = json.loads(document)
    if not isinstance(loaded, dict):
        raise ValueError("metrics: not a JSON object of name to number")  # noqa: TRY004 - one error for the caller
    return {
        str(name): float(value)
        for name, value in loaded.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
