"""Words that every rendering shares: counts, order of steps, values, costs."""

import collections
import datetime
import decimal
import json
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from workbenchx.planner import model, spelling

NO_CHANGE = "No changes: what is declared is in force."
NOTHING_NOW = "No changes at the moment: something waits."
INCOMPLETE = "Not everything that is declared could be read: nothing is deleted."
_LONGEST_VALUE = 120
_TOGETHER = 3


_BY_ITSELF = frozenset({"Scheduled", "Expires"})


def headline(plan: model.Plan) -> str:
    """The counts; without steps, whether all is in force."""
    if plan.steps:
        return f"Plan: {counts(plan)}"
    waiting = any(wait.reason not in _BY_ITSELF for wait in plan.waits)
    return NOTHING_NOW if waiting else NO_CHANGE


class Line(NamedTuple):
    """One step, or several matrix runs told together. `subject` is what it is about in words."""

    step: model.Step
    subject: str
    number: int


def lines(steps: Sequence[model.Step]) -> list[Line]:
    """The steps as lines: what destroys first; many alike matrix runs of one Experiment are one line."""
    ordered = sorted(steps, key=lambda step: not step.destructive)
    doubled = _doubled(steps)
    alike = collections.Counter(_likeness(step) for step in ordered if step.parent)
    found: list[Line] = []
    told: set[tuple[Any, ...]] = set()
    for step in ordered:
        likeness = _likeness(step)
        if step.parent and alike[likeness] > _TOGETHER:
            if likeness not in told:
                told.add(likeness)
                subject = f"{alike[likeness]} matrix runs of Experiment/{step.parent}"
                found.append(Line(step, subject, alike[likeness]))
        else:
            found.append(Line(step, name(step.subject, doubled), 1))
    return found


def _likeness(step: model.Step) -> tuple[Any, ...]:
    return (step.action, step.because, step.subject.namespace, step.parent, step.provider)


def _doubled(steps: Iterable[model.Step]) -> set[str]:
    """Names that mean something else in another namespace."""
    keys = {step.subject for step in steps}
    counted = collections.Counter(str(key) for key in keys)
    return {text for text, number in counted.items() if number > 1}


def name(key: model.Key, doubled: set[str] | frozenset[str] = frozenset()) -> str:
    """Kind/name, with the namespace where that is needed to tell it apart."""
    text = plain(str(key))
    return f"{text} in {plain(key.namespace)}" if str(key) in doubled and key.namespace else text


def why(line: Line) -> str:
    """Because, and for a hold what it keeps from happening."""
    step = line.step
    if step.holds:
        return f"{step.holds.value} is held: {step.because.value}"
    if step.renamed_from and line.number == 1:
        return f"{step.because.value} from {plain(step.renamed_from.name)}"
    return step.because.value


def where(step: model.Step) -> str:
    """The provider, and who stands in for it."""
    return spelling.place(step) if step.operation else ""


def cost(step: model.Step) -> str:
    """What the step changes in USD an hour; empty for nothing."""
    if step.cost_before == step.cost_after:
        return ""
    return f"{rate(step.cost_before)} → {rate(step.cost_after)} USD/h"


def rate(amount: decimal.Decimal) -> str:
    """USD an hour without needless zeros, at least two decimal places."""
    whole, _, fraction = spelling.money(amount).rstrip("0").partition(".")
    return f"{whole}.{fraction:0<2}"


def counts(plan: model.Plan) -> str:
    """The counts in one line: `3 to create, 1 to delete (1 destroys), 2 held`."""
    said = [
        f"{plan.counts[action.value]} {_TO[action]}"
        for action in model.Action
        if plan.counts.get(action.value)
    ]
    destroys = plan.counts.get("destructive", 0)
    return ", ".join(said) + (f" ({destroys} destroying)" if destroys else "")


_TO = {
    model.Action.CREATE: "to create",
    model.Action.UPDATE: "to update",
    model.Action.REPLACE: "to replace",
    model.Action.DELETE: "to delete",
    model.Action.ADOPT: "to adopt",
    model.Action.FORGET: "to forget",
    model.Action.RUN: "to run",
    model.Action.STOP: "to stop",
    model.Action.HOLD: "held",
}


def value(item: Any) -> str:
    """A field's value as compact JSON on one line; long ones are cut."""
    if item is None:
        return "(none)"
    text = plain(json.dumps(item, ensure_ascii=False, sort_keys=True, default=str))
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def plain(text: str) -> str:
    """Text that moves no cursor and hides nothing: control and format characters are shown as their numbers."""
    return "".join(
        character if unicodedata.category(character)[0] != "C" else f"\\u{ord(character):04x}"
        for character in text
    )


def moment(when: datetime.datetime) -> str:
    """A time in UTC, to the second."""
    return when.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def budgets(plan: model.Plan) -> list[str]:
    """A sentence for each Project whose forecast passes its budget."""
    return [
        f"Project/{plain(project)}: a month like this costs {rate(decimal.Decimal(found['forecast_usd']))} USD, "
        f"the budget is {found['monthly_usd']} USD"
        for project, found in sorted(plan.inputs.get("budget", {}).items())
        if not found["within"]
    ]


def confirmation(plan: model.Plan) -> str:
    """The token that lets happen what is held; empty if nothing is."""
    return str(plan.inputs.get("hold_token") or "")
