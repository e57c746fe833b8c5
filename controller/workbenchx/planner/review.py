"""What a reviewer of a change must know of its plan: what it holds, what it is refused, what it destroys. Pure."""

import dataclasses
import decimal
import enum
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from workbenchx.api import reasons
from workbenchx.planner import cost, model, spelling

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


def findings(plan: model.Plan, before: model.Plan | None = None) -> tuple[Finding, ...]:
    """What is to be known of a plan; what is so in the plan `before` the change is not the change's fault."""
    known = {(wait.subject, wait.reason) for wait in before.waits} if before else set()
    found = [*_refusals(plan, known), *_budgets(plan, before), *_steps(plan)]
    return tuple(sorted(found, key=lambda item: (item.level, item.subject, item.rule)))


def _refusals(plan: model.Plan, known: set[tuple[model.Key, str]]) -> Iterator[Finding]:
    for wait in plan.waits:
        if wait.reason in _REFUSING and (wait.subject, wait.reason) not in known:
            yield Finding(wait.subject, wait.reason, Level.ERROR, wait.message or wait.reason)


def _budgets(plan: model.Plan, before: model.Plan | None) -> Iterator[Finding]:
    """Budgets that a month would pass, where the change makes it so or worse; told at what adds most."""
    known = before.inputs.get("budget", {}) if before else {}
    for project, found in sorted(plan.inputs.get("budget", {}).items()):
        if not found["within"] and _worse(found, known.get(project)):
            text = (
                f"a month like this costs {_money(found['forecast_usd'])} USD, more than"
                f" spec.budget.monthlyUSD of Project/{project}, {_money(found['monthly_usd'])}"
            )
            reason = reasons.Reason.BUDGET_EXCEEDED.value
            yield Finding(_dearest(plan, project), reason, Level.ERROR, text)


def _worse(found: Mapping[str, Any], known: Mapping[str, Any] | None) -> bool:
    if known is None or known["within"]:
        return True
    forecast, budget = (
        decimal.Decimal(found[name]) - decimal.Decimal(known[name])
        for name in ("forecast_usd", "monthly_usd")
    )
    return forecast > 0 or budget < 0


def _dearest(plan: model.Plan, project: str) -> model.Key:
    """What of the change costs most of it; the Project, where nothing adds."""
    added: dict[model.Key, decimal.Decimal] = {}
    for step in plan.steps:
        if step.project == project and step.cost_after > step.cost_before:
            amount = (step.cost_after - step.cost_before) * cost.hours(
                step.operation, step.document or {}
            )
            added[step.subject] = added.get(step.subject, model.ZERO) + amount
    return min(added, key=lambda key: (-added[key], key), default=model.Key("Project", "", project))


def _money(amount: str) -> str:
    return f"{decimal.Decimal(amount):.2f}"


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


def anew(after: model.Plan, before: model.Plan) -> model.Plan:
    """The plan, with those budgets alone that the change does not leave as they were."""
    return dataclasses.replace(
        after, inputs={**after.inputs, "budget": _changed_budgets(after.inputs, before.inputs)}
    )


def _named(step: model.Step) -> tuple[Any, ...]:
    return (step.subject, step.action, step.scheduled_for)


def _alike(step: model.Step, other: model.Step | None) -> bool:
    return other is not None and dataclasses.replace(other, depends_on=step.depends_on) == step


def _inputs(after: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Without what people ordered before, and without budgets that the change leaves as they were."""
    return {
        **after,
        "applied_interventions": [],
        "cancels": [],
        "budget": _changed_budgets(after, before),
    }


def _changed_budgets(after: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    known = before.get("budget", {})
    return {
        project: found
        for project, found in after.get("budget", {}).items()
        if known.get(project) != found
    }
