"""What a reviewer of a change must know of its plan: what it holds, what it is refused, what it destroys. Pure."""

import dataclasses
import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from workbenchx.api import reasons
from workbenchx.planner import model, spelling

_REFUSING = {
    reasons.Reason.QUOTA_EXCEEDED.value,
    reasons.Reason.BUDGET_EXCEEDED.value,
    reasons.Reason.RUNTIME_NOT_APPROVED.value,
    reasons.Reason.RUNTIME_MISSING.value,
    reasons.Reason.REFERENCE_MISSING.value,
    reasons.Reason.OUTSIDE_PROJECT.value,
    reasons.Reason.PROVIDER_MISSING.value,
    reasons.Reason.CONFLICT.value,
}


class Level(enum.StrEnum):
    """error: the change is not acceptable as it is. warning: it is, and it destroys something."""

    ERROR = "error"
    WARNING = "warning"


class Finding(NamedTuple):
    """One thing to know. `rule` is "Held", "Destroys" or the reason of a refusal; `text` is a sentence without the subject."""

    subject: model.Key
    rule: str
    level: Level
    text: str


def findings(plan: model.Plan, before: Iterable[model.Wait] = ()) -> tuple[Finding, ...]:
    """What is to be known of a plan; what was refused `before` the change is not the change's fault."""
    known = {(wait.subject, wait.reason) for wait in before}
    found = [*_refusals(plan, known), *_steps(plan)]
    return tuple(sorted(found, key=lambda item: (item.level, item.subject, item.rule)))


def _refusals(plan: model.Plan, known: set[tuple[model.Key, str]]) -> Iterator[Finding]:
    for wait in plan.waits:
        if wait.reason in _REFUSING and (wait.subject, wait.reason) not in known:
            yield Finding(wait.subject, wait.reason, Level.ERROR, wait.message or wait.reason)


def _steps(plan: model.Plan) -> Iterator[Finding]:
    for step in plan.steps:
        if step.holds is not None:
            text = (
                f"its {step.holds.value} is held ({step.because.value}) until a person confirms it"
            )
            yield Finding(step.subject, "Held", Level.ERROR, text)
        elif step.destructive:
            text = f"{step.action.value} destroys what there is ({step.because.value})"
            yield Finding(step.subject, "Destroys", Level.WARNING, text)


def only(after: model.Plan, before: model.Plan) -> model.Plan:
    """Of the plan `after` a change what is not in the plan `before` it: what the change does by itself.

    What was to be done anyway is neither its merit nor its fault. The cost is that of both worlds once all is done.
    """
    same = {_named(step): step for step in before.steps}
    steps = tuple(step for step in after.steps if not _alike(step, same.get(_named(step))))
    known = {(wait.subject, wait.reason, wait.message) for wait in before.waits}
    return dataclasses.replace(
        after,
        inputs=_inputs(after.inputs, before.inputs),
        steps=steps,
        waits=tuple(
            wait for wait in after.waits if (wait.subject, wait.reason, wait.message) not in known
        ),
        verdicts=(),
        counts=spelling.counts(steps),
        cost_before=before.cost_after,
    )


def _named(step: model.Step) -> tuple[Any, ...]:
    return (step.subject, step.action, step.scheduled_for)


def _alike(step: model.Step, other: model.Step | None) -> bool:
    return other is not None and dataclasses.replace(other, depends_on=step.depends_on) == step


def _inputs(after: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Without what people ordered before, and without budgets that the change leaves as they were."""
    budgets = before.get("budget", {})
    return {
        **after,
        "applied_interventions": [],
        "cancels": [],
        "budget": {
            project: found
            for project, found in after.get("budget", {}).items()
            if budgets.get(project) != found
        },
    }
