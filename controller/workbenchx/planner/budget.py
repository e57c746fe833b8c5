"""What a month would cost if everything went on as this plan leaves it, beside each Project's budget."""

import decimal
from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx.planner import cost, draft, model

_CENT = decimal.Decimal("0.000001")


def totals(
    writing: draft.Draft, steps: Sequence[model.Step]
) -> tuple[decimal.Decimal, decimal.Decimal]:
    """USD per hour before and after the plan."""
    before = sum((rate.usd for rate in writing.rates.values()), model.ZERO)
    after = before
    for step in steps:
        if step.subject not in writing.rates:
            before += step.cost_before
            after += step.cost_before
        after += step.cost_after - step.cost_before
    return before, after


def forecasts(writing: draft.Draft, steps: Sequence[model.Step]) -> dict[str, dict[str, Any]]:
    """For each Project with a budget: its monthly USD, the forecast, and whether it is within."""
    spent: dict[str, decimal.Decimal] = {}
    for rate in writing.rates.values():
        if rate.project:
            spent[rate.project] = spent.get(rate.project, model.ZERO) + rate.usd * rate.hours
    for step in steps:
        if step.project and step.cost_after != step.cost_before:
            there = writing.rates.get(step.subject)
            lasts = there.hours if there else hours(step)
            added = (step.cost_after - step.cost_before) * lasts
            spent[step.project] = spent.get(step.project, model.ZERO) + added
    return {
        subject.key.name: _verdict(subject.spec, spent.get(subject.key.name, model.ZERO))
        for subject in writing.index.ordered
        if subject.key.kind == "Project" and subject.spec.get("budget")
    }


def hours(step: model.Step) -> decimal.Decimal:
    """For how long of a month what a step makes costs."""
    return cost.hours(step.operation, step.document or {})


def _verdict(spec: Mapping[str, Any], spent: decimal.Decimal) -> dict[str, Any]:
    limit = decimal.Decimal(str(spec["budget"].get("monthlyUSD") or 0))
    amount = max(spent, model.ZERO).quantize(_CENT)
    return {"monthly_usd": str(limit), "forecast_usd": str(amount), "within": amount <= limit}
