"""Making the object of a living thing, or making it anew: what must come first, and how often it is tried."""

import datetime
from collections.abc import Mapping
from typing import Any

from workbenchx.api import reasons, states
from workbenchx.planner import (
    cases,
    draft,
    errands,
    executions,
    gates,
    model,
    returning,
    subjects,
    verdicts,
)

_TRIES = 3


def bring_up(
    case: cases.Case, because: model.Because, order: model.Intervention | None, operation: str
) -> model.Verdict:
    """Make the object, unless something has to come first."""
    refused = _not_now(case)
    if refused:
        case.writing.record(case.subject)
        case.writing.wait(case.subject.key, refused)
        return verdicts.refused(case.subject.key, refused)
    if returning.held(case.writing, case.subject):
        case.writing.record(case.subject)
        return returning.verdict(case.writing, case.subject)
    latest = case.track.latest(executions.BRINGING_UP, execution_hash=_hash(case))
    ordered = order or case.writing.people.rerun(case.subject.key) or _lifting(case)
    ended = None if ordered or latest is None else _after(case, latest)
    if ended:
        case.writing.record(case.subject)
        return ended
    short = _no_room(case)
    if short:
        case.writing.record(case.subject)
        return short
    case.writing.consume(order)
    case.writing.consume(case.writing.people.rerun(case.subject.key))
    if because is model.Because.NEW:
        because = _why(case, latest)
    tries = latest.tries + 1 if latest and not ordered and _lately(case, latest) else 1
    return make(case, model.Action.CREATE, because, operation, tries=tries)


def _lifting(case: cases.Case) -> model.Intervention | None:
    return returning.lifting(case.writing, case.subject)


def _why(case: cases.Case, latest: model.Execution | None) -> model.Because:
    """There is no object: it was never made, its making failed, or it is missing."""
    if latest is not None and latest.state is not model.ExecutionState.SUCCEEDED:
        return model.Because.RETRY
    newest = case.track.latest(executions.BRINGING_UP)
    made = newest is not None and newest.state is model.ExecutionState.SUCCEEDED
    return model.Because.MISSING if made else model.Because.NEW


def _hash(case: cases.Case) -> str:
    return case.blueprint.hash if isinstance(case.blueprint, cases.Blueprint) else ""


def _not_now(case: cases.Case) -> verdicts.Refusal | None:
    if isinstance(case.blueprint, verdicts.Refusal):
        return case.blueprint
    return gates.missing(case.writing, case.subject) or gates.waiting(case.writing, case.subject)


def _no_room(case: cases.Case) -> model.Verdict | None:
    """The quota, asked last: what it grants is used."""
    what = "sessions" if case.subject.key.kind == "Session" else "apps"
    gpus = case.placed.needs.gpu if case.placed else 0
    if case.living:
        return None
    refused = case.writing.allowance.take(case.subject.project, what, gpus)
    if refused is None:
        return None
    case.writing.wait(case.subject.key, refused)
    return verdicts.refused(case.subject.key, refused)


def _lately(case: cases.Case, latest: model.Execution) -> bool:
    """Whether the last making counts as a try of the same trouble."""
    ended = latest.ended_at or case.writing.now
    age = case.writing.now - ended
    failed = latest.state is not model.ExecutionState.SUCCEEDED
    return failed or age < datetime.timedelta(seconds=2 * executions.LONGEST_BACKOFF)


def _after(case: cases.Case, latest: model.Execution) -> model.Verdict | None:
    """After a making of this very version: it failed for good, or it is not yet time for another."""
    key = case.subject.key
    if latest.state is model.ExecutionState.CANCELLED:
        return verdicts.of_execution(key, latest)
    succeeded = latest.state is model.ExecutionState.SUCCEEDED
    if not succeeded and latest.tries >= _TRIES:
        return verdicts.of_execution(key, latest)
    if succeeded and not case.living:
        return None
    again = executions.due_again(latest, case.writing.index.policy.retry_backoff)
    if case.writing.now >= again:
        return None
    if succeeded:
        refusal = verdicts.Refusal(reasons.Reason.RETRYING, "it ended soon after it was made")
        case.writing.wait(key, refusal, again)
        return verdicts.refused(key, refusal)
    return errands.retrying(case.writing, key, latest, again)


def outdated(case: cases.Case, blueprint: cases.Blueprint) -> model.Verdict | None:
    """It was made from something else than what is declared now."""
    made_from = case.subject.facts.get("deployed")
    made_from = made_from if isinstance(made_from, Mapping) else {}
    newest = case.track.latest(executions.BRINGING_UP)
    failed = newest is not None and newest.state is not model.ExecutionState.SUCCEEDED
    if made_from.get("hash") in {None, blueprint.hash} and not failed:
        return None
    if case.subject.lifecycle.management == "create-only":
        return None
    blocked = gates.missing(case.writing, case.subject) or gates.waiting(case.writing, case.subject)
    if blocked:
        case.writing.wait(case.subject.key, blocked)
        return verdicts.refused(case.subject.key, blocked, state=states.State.RUNNING)
    if returning.held(case.writing, case.subject):
        case.writing.record(case.subject)
        return returning.verdict(case.writing, case.subject)
    latest = case.track.latest(executions.BRINGING_UP, execution_hash=blueprint.hash)
    bad = latest is not None and latest.state is not model.ExecutionState.SUCCEEDED
    bad = bad and _lifting(case) is None
    ended = _after(case, latest) if latest and bad else None
    if ended:
        case.writing.record(case.subject)
        return ended
    changes = tuple(
        model.FieldChange(name, made_from.get(name), blueprint.marks[name])
        for name in sorted(blueprint.marks)
        if "." in name and name in made_from and made_from[name] != blueprint.marks[name]
    )
    tries = latest.tries + 1 if latest and bad else 1
    because = model.Because.SPEC_CHANGED
    return make(case, model.Action.REPLACE, because, "replace", tries=tries, changes=changes)


def make(
    case: cases.Case,
    action: model.Action,
    because: model.Because,
    operation: str,
    *,
    tries: int,
    changes: tuple[model.FieldChange, ...] = (),
) -> model.Verdict:
    """The step that makes the object (anew)."""
    blueprint, subject = case.blueprint, case.subject
    if isinstance(blueprint, verdicts.Refusal):
        return verdicts.refused(subject.key, blueprint)
    destroys = action is model.Action.REPLACE
    consent = subject.lifecycle.consents or because is model.Because.REVERTED
    if destroys and case.holds_data and not consent:
        case.writing.data_bearing.add(subject.key)
    fields = draft.row_fields(subject) + changes
    step = case.writing.emit(
        model.Step(
            action=action,
            subject=subject.key,
            because=because,
            mode=model.Mode.RE_CREATE,
            destructive=destroys,
            fields=tuple(sorted(fields, key=lambda change: change.path)),
            cost_before=case.rate if case.living and not case.gone else model.ZERO,
            cost_after=blueprint.placed.rate,
            project=subject.project,
            external_id=subject.external_id if operation == "replace" else None,
            provider=blueprint.placed.effective,
            operation=operation,
            execution_hash=blueprint.hash,
            attempt=case.track.next_attempt,
            tries=tries,
            renamed_from=subject.renamed_from,
            document=_order(subject, blueprint, operation),
        )
    )
    if step.action is model.Action.HOLD:
        return verdicts.held(subject.key, step.because, action)
    deployed = {"hash": blueprint.hash, **blueprint.marks}
    code = blueprint.order["code"]
    facts = {
        "deployed": deployed,
        "commit": code["commit"] if code else None,
        "stopped_for": None,
        "stopped_at": None,
    }
    return verdicts.of(subject.key, states.State.CREATING, reasons.Reason.CREATING, facts=facts)


def _order(
    subject: subjects.Subject, blueprint: cases.Blueprint, operation: str
) -> Mapping[str, Any]:
    """What is to be made; of a replacement also who has the old one, where that is somebody else."""
    had = subject.recorded.provider if subject.recorded else None
    moves = operation == "replace" and had not in {None, blueprint.placed.effective}
    return {**blueprint.order, "leaves": had} if moves else blueprint.order
