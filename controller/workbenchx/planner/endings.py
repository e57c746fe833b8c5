"""Steps that end an object at a provider, and the pause after one that failed."""

import dataclasses

from workbenchx.api import reasons, states
from workbenchx.planner import draft, executions, model, orders, placements, subjects, verdicts

SOON = 3


def ending(
    subject: subjects.Subject,
    track: executions.Track,
    placed: placements.Placement | None,
    *,
    action: model.Action,
    because: model.Because,
) -> model.Step:
    """A stop or delete of the object that the row names."""
    recorded = subject.recorded.provider if subject.recorded else None
    effective = recorded or (placed.effective if placed else "")
    stood_in = placed is not None and placed.effective == effective
    adapter = placed.adapter if placed and stood_in else effective
    save = subject.lifecycle.on_delete == "snapshot" or subject.spec.get("snapshot") == "on-stop"
    return model.Step(
        action=action,
        subject=subject.key,
        because=because,
        mode=model.Mode.RE_CREATE,
        cost_before=placed.rate if placed else model.ZERO,
        project=subject.project,
        external_id=subject.external_id,
        provider=effective,
        attempt=track.next_attempt,
        tries=_tries(track, {action.value}),
        document=orders.teardown(
            adapter, placed.stand_in if placed and stood_in else None, subject.spec, save=save
        ),
    )


def _tries(track: executions.Track, operations: set[str]) -> int:
    """The number of this try: one more than the last, if the newest run was a failed one of the kind."""
    last = track.last
    if last is None or last.operation not in operations:
        return 1
    return 1 if last.state is model.ExecutionState.SUCCEEDED else last.tries + 1


def pause_after_failure(
    writing: draft.Draft, key: model.Key, track: executions.Track, operations: set[str]
) -> model.Verdict | None:
    """The wait before an ending that failed is tried again: it is tried for ever, ever more slowly."""
    last = track.last
    if last is None or last.operation not in operations:
        return None
    if last.state is model.ExecutionState.SUCCEEDED:
        return None
    again = executions.due_again(last, writing.index.policy.retry_backoff)
    if writing.now >= again:
        return None
    reason = reasons.Reason.RETRYING if last.tries <= SOON else reasons.Reason.FAILED
    message = f"its {last.operation} failed: {last.message or last.reason}"
    refusal = verdicts.Refusal(reason, message)
    writing.wait(key, refusal, again)
    return verdicts.refused(key, refusal, state=states.State.STOPPING)


def destroying(step: model.Step) -> model.Step:
    """The step as one that the brakes look at, carried out by the operation `delete`."""
    return dataclasses.replace(step, destructive=True, operation="delete")
