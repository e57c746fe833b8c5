"""Things that are kept alive at a provider: what Session and AppDeployment have in common.

`settle` asks one question after the other; the first that has an answer gives the verdict.
"""

import dataclasses
from collections.abc import Callable

from workbenchx.api import reasons, states
from workbenchx.planner import (
    adopting,
    cases,
    cost,
    draft,
    endings,
    executions,
    making,
    model,
    returning,
    sightings,
    subjects,
    verdicts,
)

Draw = Callable[[draft.Draft, subjects.Subject], cases.Blueprint | verdicts.Refusal]
Desire = Callable[[cases.Case], cases.Wish]


def settle(
    writing: draft.Draft,
    subject: subjects.Subject,
    draw: Draw,
    desire: Desire,
    *,
    holds_data: bool,
) -> model.Verdict:
    """Bring one living thing to what is declared, or say what keeps it from there."""
    blueprint = draw(writing, subject)
    track = writing.track(subject)
    provider = adapter_of(subject, blueprint)
    sighting = sightings.of(writing.index, subject, track, provider)
    case = cases.Case(writing, subject, track, blueprint, sighting, holds_data)
    return returning.remembering(writing, subject, _placed(case, _judge(case, desire)))


def _placed(case: cases.Case, verdict: model.Verdict) -> model.Verdict:
    """With where it lives, unless the object is where it would not be made now."""
    placed, recorded = case.placed, case.subject.recorded
    if placed is None or (recorded and recorded.provider not in {None, placed.effective}):
        return verdict
    return dataclasses.replace(verdict, facts={"provider": placed.spelled, **verdict.facts})


def _judge(case: cases.Case, desire: Desire) -> model.Verdict:
    open_ = case.track.open(executions.RECONCILING)
    if (case.living or open_) and case.rate:
        order = case.blueprint.order if isinstance(case.blueprint, cases.Blueprint) else {}
        case.writing.rates[case.subject.key] = draft.Rate(
            case.subject.project, case.rate, cost.hours(None, order)
        )
    if open_:
        return _under_way(case, open_[-1])
    wish = desire(case)
    return (_stop(case, wish) if not wish.lives else None) or _keep(case, wish)


def adapter_of(subject: subjects.Subject, blueprint: cases.Blueprint | verdicts.Refusal) -> str:
    """The adapter that has the object: the recorded one, else the one it would go to."""
    recorded = subject.recorded.provider if subject.recorded else None
    if recorded:
        return recorded
    return blueprint.placed.effective if isinstance(blueprint, cases.Blueprint) else ""


def _under_way(case: cases.Case, run: model.Execution) -> model.Verdict:
    """One reconcile run at a time. A newer version ends an older run that makes something."""
    key = case.subject.key
    if case.subject.renamed_from:
        case.writing.record(case.subject)
    newer = (
        isinstance(case.blueprint, cases.Blueprint) and case.blueprint.hash != run.execution_hash
    )
    if run.operation in executions.BRINGING_UP and newer:
        case.writing.cancel(run)
    case.writing.wait(key, verdicts.Refusal("InProgress", f"its {run.operation} is under way"))
    if run.operation == "stop":
        return verdicts.of(key, states.State.STOPPING, reasons.Reason.STOPPING)
    if run.operation in {"extend", "snapshot"}:
        return verdicts.of(key, states.State.RUNNING, reasons.Reason.READY, ready=True)
    if verdicts.held_up(run):
        return verdicts.refused(
            key, verdicts.Refusal(run.reason, run.message), state=states.State.CREATING
        )
    return verdicts.of(key, states.State.CREATING, reasons.Reason.CREATING)


def _stop(case: cases.Case, wish: cases.Wish) -> model.Verdict | None:
    """It should not live: end it, or say that it has ended."""
    case.writing.record(case.subject)
    if not case.living:
        case.writing.consume(wish.order)
        return _stopped(case, wish.why)
    step = _ending(case, model.Action.STOP, wish.because)
    again = _pause_after_failure(case, {"stop"})
    if again:
        return again
    case.writing.consume(wish.order)
    case.writing.emit(dataclasses.replace(step, mode=model.Mode.IN_PLACE, operation="stop"))
    return verdicts.of(
        case.subject.key,
        states.State.STOPPING,
        reasons.Reason.STOPPING,
        facts={"stopped_for": wish.why},
    )


def _stopped(case: cases.Case, why: str) -> model.Verdict:
    """Stopped as declared is as it ought to be; stopped by a person is not what the document says."""
    since = case.subject.facts.get("stopped_at") or case.writing.now.isoformat()
    facts = {"stopped_for": why, "stopped_at": since}
    if why == "Expired":
        reason, message, ready = reasons.Reason.EXPIRED, "its time is over, as declared", True
    elif why == "Ordered":
        reason, message, ready = (
            reasons.Reason.STOPPED,
            "stopped by a person; wbx session start",
            False,
        )
    else:
        said = {"Idle": "nobody used it for spec.idleTimeout", "Schedule": "by spec.schedule"}
        reason, message, ready = reasons.Reason.STOPPED, said.get(why, ""), True
    return verdicts.of(
        case.subject.key, states.State.STOPPED, reason, message, ready=ready, facts=facts
    )


def _ending(case: cases.Case, action: model.Action, because: model.Because) -> model.Step:
    """The step that ends the object; who has it is known from the row, should the blueprint fail."""
    return endings.ending(
        case.subject,
        case.track,
        case.placed,
        action=action,
        because=because,
    )


def _pause_after_failure(case: cases.Case, operations: set[str]) -> model.Verdict | None:
    return endings.pause_after_failure(case.writing, case.subject.key, case.track, operations)


def _keep(case: cases.Case, wish: cases.Wish) -> model.Verdict:
    """It should live: see whether it does, and as declared."""
    if not case.living:
        return making.bring_up(case, wish.because, wish.order, "create")
    if case.gone:
        ended = case.sighting.sight is sightings.Sight.ENDED
        return making.bring_up(
            case, model.Because.MISSING, wish.order, "replace" if ended else "create"
        )
    case.writing.consume(wish.order)
    if case.sighting.sight is sightings.Sight.UNKNOWN:
        return _unseen(case)
    if isinstance(case.blueprint, verdicts.Refusal):
        case.writing.record(case.subject)
        case.writing.wait(case.subject.key, case.blueprint)
        return verdicts.refused(case.subject.key, case.blueprint, state=states.State.RUNNING)
    blueprint = case.blueprint
    return (
        adopting.adopted(case, blueprint)
        or making.outdated(case, blueprint)
        or _drifted(case, blueprint)
        or _well(case)
    )


def _unseen(case: cases.Case) -> model.Verdict:
    """Nothing is made, replaced or removed on the word of somebody who could not look."""
    if case.subject.renamed_from:
        case.writing.record(case.subject)
    message = "its provider was not observed completely or lately"
    refusal = verdicts.Refusal(reasons.Reason.UNKNOWN, message)
    case.writing.wait(case.subject.key, refusal)
    return verdicts.refused(case.subject.key, refusal, state=states.State.UNKNOWN)


def _drifted(case: cases.Case, blueprint: cases.Blueprint) -> model.Verdict | None:
    """The provider shows a declared field differently: hold and tell, heal, or revert on order."""
    changes = sightings.drift(blueprint.owned, case.sighting.fields)
    resumed = case.writing.people.resumed(case.subject.key)
    revert = resumed if resumed is not None and resumed.args.get("revert") else None
    if not changes:
        case.writing.consume(revert)
        return None
    if revert or case.subject.lifecycle.on_drift == "heal":
        case.writing.consume(revert)
        because = model.Because.REVERTED if revert else model.Because.DRIFTED
        return making.make(case, model.Action.REPLACE, because, "replace", tries=1, changes=changes)
    case.writing.record(case.subject)
    case.writing.emit(
        model.Step(
            action=model.Action.HOLD,
            subject=case.subject.key,
            because=model.Because.DRIFTED,
            mode=model.Mode.RE_CREATE,
            fields=changes,
            project=case.subject.project,
            external_id=case.subject.external_id,
            cost_before=case.rate,
            cost_after=case.rate,
            holds=model.Action.REPLACE,
        )
    )
    names = ", ".join(change.path.removeprefix("observed.") for change in changes)
    message = f"{names} differs at the provider: adopt it by a commit, or wbx resume --revert"
    return verdicts.of(case.subject.key, states.State.HELD, reasons.Reason.DRIFTED, message)


def _well(case: cases.Case) -> model.Verdict:
    """It lives as declared. Its row follows the rest of its document."""
    case.writing.record(case.subject)
    key = case.subject.key
    case.writing.consume(case.writing.people.rerun(key))
    if case.sighting.fields.get("healthy") is False:
        message = "it runs, but its health check does not succeed"
        return verdicts.of(key, states.State.RUNNING, reasons.Reason.UNHEALTHY, message)
    return verdicts.of(key, states.State.RUNNING, reasons.Reason.READY, ready=True)
