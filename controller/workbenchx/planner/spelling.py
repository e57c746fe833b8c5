"""A plan as plain data: one spelling for its id, its JSON and its text."""

import datetime
import decimal
from collections.abc import Iterable, Sequence
from typing import Any

from workbenchx.api import canonical
from workbenchx.planner import model

Plain = dict[str, Any]


def plan_id(steps: Sequence[model.Step]) -> str:
    """The sha256 of the canonical steps, their orders included."""
    return canonical.digest([exact(step) for step in steps])


def exact(step: model.Step) -> Plain:
    """Everything that a step says. What is at its default is left out."""
    spelled: Plain = {
        "action": step.action,
        "subject": step.subject,
        "because": step.because,
        "mode": step.mode,
        "destructive": step.destructive,
        "operation": step.operation,
        "depends_on": step.depends_on,
    }
    if step.fields:
        spelled["fields"] = [[item.path, item.before, item.after] for item in step.fields]
    if step.operation or step.external_id or step.execution_hash or step.cost_before:
        spelled["order"] = [
            step.provider,
            step.external_id,
            step.execution_hash,
            step.attempt,
            step.tries,
            time(step.scheduled_for),
            money(step.cost_before),
            money(step.cost_after),
            step.document,
        ]
    if step.parent or step.renamed_from or step.holds:
        spelled["of"] = [
            step.parent,
            step.parameters,
            list(step.renamed_from) if step.renamed_from else None,
            step.holds.value if step.holds else None,
        ]
    return spelled


def time(moment: datetime.datetime | None) -> str | None:
    """ISO 8601 in UTC."""
    return moment.astimezone(datetime.UTC).isoformat() if moment else None


def money(amount: decimal.Decimal) -> str:
    """USD with six decimal places, as the database keeps it."""
    return f"{amount:.6f}"


def place(step: model.Step) -> str:
    """Where a step's object is, for people: `local (for vercel_sandbox)`."""
    document = step.document or {}
    adapter, stand_in = document.get("adapter"), document.get("stand_in")
    if stand_in and adapter:
        return provider(adapter, stand_in)
    return step.provider or ""


def provider(adapter: str, stand_in: str | None) -> str:
    """An adapter, and who stands in for it."""
    return f"{stand_in} (for {adapter})" if stand_in and stand_in != adapter else adapter


def counts(steps: Iterable[model.Step]) -> dict[str, int]:
    """How many steps of each action; `destructive` are those that destroy and are not held."""
    found = {action.value: 0 for action in model.Action} | {"destructive": 0}
    for step in steps:
        found[step.action.value] += 1
        found["destructive"] += step.destructive and step.executable
    return found
