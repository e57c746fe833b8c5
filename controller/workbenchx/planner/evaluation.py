"""Every resource through its rule, in reference order, and what stands above all rules: suspension, refusal, holds."""

import dataclasses
from collections.abc import Mapping

from workbenchx.api import reasons, states
from workbenchx.planner import (
    draft,
    index,
    model,
    placements,
    removals,
    rules,
    subjects,
    verdicts,
)

_LIVING = frozenset({"Session", "AppDeployment"})
_PLACED = frozenset({"Session", "AppDeployment", "RunnerJob"})
_WAITING = frozenset({reasons.Reason.QUEUED.value, reasons.Reason.CREATING.value})


def run(looked_up: index.Index, held: Mapping[model.Key, model.Because]) -> draft.Draft:
    """One evaluation. Destructive steps of what is in `held` come out as holds."""
    writing = draft.Draft(looked_up, held)
    part = looked_up.world.part
    for subject in looked_up.ordered:
        if part is not None and subject.key not in part:
            _as_recorded(writing, subject)
        elif subject.phase is subjects.Phase.DECLARED:
            _declared(writing, subject)
        elif subject.phase is subjects.Phase.GONE:
            _gone(writing, subject)
        else:
            _kept(writing, subject)
    if part is None:
        _orphans(writing)
        _pointless_orders(writing)
    return writing


def _as_recorded(writing: draft.Draft, subject: subjects.Subject) -> None:
    """How it stands for others: as the last plan that judged it said."""
    if subject.recorded is not None:
        writing.standings[subject.key] = verdicts.unchanged(subject.recorded)


def _apply(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict:
    return rules.BY_KIND[subject.key.kind](writing, subject)


def _quietly(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict:
    """How it stands for others, without doing anything for it."""
    with writing.muted():
        verdict = _apply(writing, subject)
    if subject.recorded is not None and verdict.state in {
        states.State.QUEUED,
        states.State.CREATING,
    }:
        verdict = verdicts.unchanged(subject.recorded)
    writing.standings[subject.key] = verdict
    return verdict


def _gone(writing: draft.Draft, subject: subjects.Subject) -> None:
    verdict = removals.remove(writing, subject)
    if subject.key in writing.held:
        _quietly(writing, subject)
        because = writing.held[subject.key]
        verdict = verdicts.held(subject.key, because, model.Action.DELETE)
    if verdict:
        writing.conclude(verdict)


def _kept(writing: draft.Draft, subject: subjects.Subject) -> None:
    _quietly(writing, subject)
    if not writing.index.world.declared_complete:
        message = "is not declared in what could be read, which was not everything"
        writing.wait(subject.key, verdicts.Refusal(reasons.Reason.UNKNOWN, message))


def _declared(writing: draft.Draft, subject: subjects.Subject) -> None:
    if subject.problem is not None and subject.recorded is None:
        refusal = verdicts.Refusal(reasons.Reason.INVALID, subject.problem)
        writing.wait(subject.key, refusal)
        writing.conclude(verdicts.refused(subject.key, refusal))
        return
    if writing.people.order(subject.key, "forget"):
        message = "wbx forget takes effect once it is no longer declared"
        writing.wait(subject.key, verdicts.Refusal("StillDeclared", message))
    verdict = _frozen(writing, subject) or _settled(writing, subject)
    if subject.problem is not None:
        refusal = verdicts.Refusal(reasons.Reason.INVALID, subject.problem)
        writing.wait(subject.key, refusal)
        state = states.State(verdict.state)
        verdict = verdicts.refused(subject.key, refusal, state=state, facts=verdict.facts)
    writing.conclude(verdict)


def _settled(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict:
    """The ordinary way."""
    verdict = _explained(writing, subject, _apply(writing, subject))
    writing.standings[subject.key] = verdict
    resumed = writing.people.resumed(subject.key)
    if resumed and (subject.key.kind not in _LIVING or not resumed.args.get("revert")):
        writing.consume(resumed)
    return verdict


def _explained(
    writing: draft.Draft, subject: subjects.Subject, verdict: model.Verdict
) -> model.Verdict:
    """What waits for a provider that does not answer says so."""
    outages = writing.index.world.outages
    if not outages or verdict.message or verdict.reason not in _WAITING:
        return verdict
    if subject.key.kind not in _PLACED:
        return verdict
    placed = placements.of(writing, subject.project, subject.spec)
    if isinstance(placed, verdicts.Refusal) or placed.effective not in outages:
        return verdict
    message = f"waits for {placed.provider}, which does not answer"
    return dataclasses.replace(verdict, message=message)


def _frozen(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict | None:
    """Nothing is done beyond its row: suspended, only observed, or not ours."""
    by_person = writing.people.suspended(subject.key)
    if by_person or subject.lifecycle.suspend:
        if subject.recorded is None or subject.renamed_from:
            writing.record(subject)
        _quietly(writing, subject)
        resumed = writing.people.resumed(subject.key)
        writing.consume(resumed)
        writing.wait(subject.key, verdicts.Refusal(reasons.Reason.SUSPENDED, "is suspended"))
        return verdicts.suspended(subject.key, by_person=by_person)
    if subject.lifecycle.observes:
        writing.record(subject)
        verdict = verdicts.of(subject.key, states.State.ACTIVE, reasons.Reason.OBSERVED, ready=True)
        writing.standings[subject.key] = verdict
        return verdict
    if subject.recorded is not None and not subject.recorded.owned and subject.external_id:
        return _not_ours(writing, subject)
    return None


def _not_ours(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict:
    """An object that we only know: taken over on order, otherwise left alone."""
    order = writing.people.order(subject.key, "adopt")
    if order or subject.lifecycle.management == "adopt":
        writing.consume(order)
        writing.emit(
            model.Step(
                action=model.Action.ADOPT,
                subject=subject.key,
                because=model.Because.ORDERED if order else model.Because.NEW,
                fields=draft.row_fields(subject),
                project=subject.project,
                external_id=subject.external_id,
            )
        )
        return dataclasses.replace(_quietly(writing, subject), facts={})
    message = "an object of this name exists and is not ours: wbx adopt, or lifecycle.management"
    refusal = verdicts.Refusal(reasons.Reason.CONFLICT, message)
    writing.wait(subject.key, refusal)
    verdict = verdicts.refused(subject.key, refusal)
    writing.standings[subject.key] = verdict
    return verdict


def _orphans(writing: draft.Draft) -> None:
    """Matrix runs whose Experiment has no row any more."""
    known = writing.index.resources
    renamed = {subject.renamed_from for subject in known.values() if subject.renamed_from}
    for parent in sorted(writing.index.cells.keys() - known.keys() - renamed):
        removals.remove_orphans(writing, parent, None)


def _pointless_orders(writing: draft.Draft) -> None:
    """Orders about what neither is declared nor lives."""
    cells = {key for runs in writing.index.cells.values() for key in runs}
    for key, orders in writing.people.by_key.items():
        if key not in writing.index.resources and key not in cells:
            for order in orders.values():
                if order.verb != "suspend":
                    writing.consume(order)
