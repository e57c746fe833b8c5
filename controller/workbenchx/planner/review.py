"""What a reviewer of a change must know of its plan: what it holds, what it is refused, what it destroys. Pure."""

import enum
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from workbenchx.api import reasons
from workbenchx.planner import model

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
