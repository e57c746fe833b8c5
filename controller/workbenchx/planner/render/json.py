"""The plan as JSON: the names of DESIGN 13, and beside them what a program may want (schemas/output/plan.json)."""

import json
from typing import Any

from workbenchx.planner import model, spelling
from workbenchx.planner.render import words

Plain = dict[str, Any]


def render(plan: model.Plan) -> str:
    """The document as text, two spaces deep."""
    return json.dumps(document(plan), ensure_ascii=False, indent=2, default=str)


def document(plan: model.Plan) -> Plain:
    """The plan as plain data. Orders of runs are not in it: they may be long, and the plan's id covers them."""
    return {
        "id": plan.id,
        "destroy_token": plan.destroy_token,
        "complete": plan.complete,
        "inputs": dict(plan.inputs),
        "counts": dict(plan.counts),
        "cost": {"before": float(plan.cost_before), "after": float(plan.cost_after)},
        "steps": [step(item) for item in plan.steps],
        "waits": [_wait(item) for item in plan.waits],
    }


def step(item: model.Step) -> Plain:
    """One step."""
    spelled: Plain = {
        "action": item.action.value,
        "subject": _key(item.subject),
        "because": item.because.value,
        "mode": item.mode.value,
        "destructive": item.destructive,
        "fields": [
            {"path": change.path, "before": change.before, "after": change.after}
            for change in item.fields
        ],
        "depends_on": [_key(key) for key in item.depends_on],
        "cost": {"before": float(item.cost_before), "after": float(item.cost_after)},
        "project": item.project,
    }
    return spelled | {name: found for name, found in _further(item).items() if found is not None}


def _further(item: model.Step) -> Plain:
    """What only some steps have."""
    return {
        "holds": item.holds.value if item.holds else None,
        "operation": item.operation,
        "provider": words.where(item) or None,
        "external_id": item.external_id,
        "renamed_from": item.renamed_from.name if item.renamed_from else None,
        "experiment": item.parent,
        "scheduled_for": spelling.time(item.scheduled_for),
    }


def _key(key: model.Key) -> Plain:
    return {"kind": key.kind, "namespace": key.namespace, "name": key.name}


def _wait(item: model.Wait) -> Plain:
    return {
        "subject": _key(item.subject),
        "reason": item.reason,
        "message": item.message,
        "until": spelling.time(item.until),
    }
