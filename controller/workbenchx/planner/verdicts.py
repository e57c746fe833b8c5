"""Verdicts that several rules give, in the same words. Messages hold no time and no count that varies by itself."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from workbenchx.api import conditions, reasons, states
from workbenchx.planner import model

_REASONS = frozenset(str(reason) for reason in reasons.Reason)
_QUEUED = states.State.QUEUED.value
_ACTIVE = states.State.ACTIVE.value
_READY = reasons.Reason.READY.value


class Refusal(NamedTuple):
    """Why something cannot be done now: a Ready reason and one sentence."""

    reason: str
    message: str


def of(
    key: model.Key,
    state: states.State,
    reason: reasons.Reason,
    message: str = "",
    *,
    ready: bool = False,
    facts: Mapping[str, Any] | None = None,
) -> model.Verdict:
    """A verdict in published words."""
    return model.Verdict(key, state.value, ready, reason.value, message, facts or {})


def ready(
    key: model.Key, message: str = "", facts: Mapping[str, Any] | None = None
) -> model.Verdict:
    """In force, nothing more to say."""
    return model.Verdict(key, _ACTIVE, True, _READY, message, facts or {})


def refused(
    key: model.Key,
    refusal: Refusal,
    *,
    state: states.State = states.State.PENDING,
    facts: Mapping[str, Any] | None = None,
) -> model.Verdict:
    """Not Ready, for this cause."""
    reason = str(refusal.reason)
    return model.Verdict(key, state.value, False, reason, refusal.message, facts or {})


def unchanged(row: model.Recorded) -> model.Verdict:
    """What the row says already."""
    return model.Verdict(row.key, row.state, row.ready, row.reason, row.message)


def held(key: model.Key, because: model.Because, action: model.Action) -> model.Verdict:
    """A destructive change that waits for a person."""
    why = {
        model.Because.BRAKED: "too much would be destroyed at once",
        model.Because.DATA_BEARING: "it holds data that would be lost",
        model.Because.NOT_REVIEWED: "the reviewed plan of its pull request did not destroy it",
    }.get(because, "it would be destroyed")
    message = f"{action.value} is held: {why}; wbx confirm shows what goes, and the token"
    return of(key, states.State.HELD, reasons.Reason.HELD, message)


def suspended(key: model.Key, *, by_person: bool) -> model.Verdict:
    """Nothing is done until somebody resumes."""
    who = "a person; wbx resume goes on" if by_person else "spec.lifecycle.suspend"
    message = f"suspended by {who}"
    return of(key, states.State.SUSPENDED, reasons.Reason.SUSPENDED, message)


def of_execution(
    key: model.Key, run: model.Execution, facts: Mapping[str, Any] | None = None
) -> model.Verdict:
    """How the latest execution stands or ended."""
    if held_up(run):
        return model.Verdict(key, _QUEUED, False, run.reason, run.message, facts or {})
    state, reason = _EXECUTION[run.state]
    done = run.state is model.ExecutionState.SUCCEEDED
    said = (
        run.reason if not run.state.open and not done and run.reason in _REASONS else reason.value
    )
    message = "" if done or run.state.open else run.message
    return model.Verdict(key, state.value, done, said, message, facts or {})


def held_up(run: model.Execution) -> bool:
    """Whether a run waits for a person to do their part before its command can start; its reason says for what."""
    return run.state.open and run.external_id is None and run.reason in conditions.STALLED_REASONS


_EXECUTION = {
    model.ExecutionState.QUEUED: (states.State.QUEUED, reasons.Reason.QUEUED),
    model.ExecutionState.RUNNING: (states.State.RUNNING, reasons.Reason.RUNNING),
    model.ExecutionState.SUCCEEDED: (states.State.SUCCEEDED, reasons.Reason.SUCCEEDED),
    model.ExecutionState.FAILED: (states.State.FAILED, reasons.Reason.FAILED),
    model.ExecutionState.CANCELLED: (states.State.CANCELLED, reasons.Reason.CANCELLED),
    model.ExecutionState.TIMED_OUT: (states.State.FAILED, reasons.Reason.TIMED_OUT),
    model.ExecutionState.LOST: (states.State.FAILED, reasons.Reason.LOST),
}
