"""A plan as a document, and `ops.plans`, where those are kept that somebody will ask for."""

from typing import Any

from workbenchx.planner import model
from workbenchx.store import connections, encode, queries

_SQL = queries.load("plans")


def worth_keeping(plan: model.Plan) -> bool:
    """Whether anybody will ask for it: it holds something, or a provider is to do something."""
    return any(step.operation or step.action is model.Action.HOLD for step in plan.steps)


async def keep(
    conn: connections.Connection,
    plan: model.Plan,
    *,
    commit: str | None,
    run_id: str | None = None,
) -> None:
    """Keep a plan, inside a transaction; one that is kept already was only seen again. `run_id`: the run that recorded it."""
    params = {
        "id": plan.id,
        "destroy_token": plan.destroy_token,
        "complete": plan.complete,
        "commit": commit,
        "document": encode.document(document(plan)),
        "run_id": run_id,
    }
    await conn.execute(_SQL["keep"], params)


def document(plan: model.Plan) -> dict[str, Any]:
    """The plan in the shape of DESIGN 13."""
    return {
        "id": plan.id,
        "destroy_token": plan.destroy_token,
        "complete": plan.complete,
        "inputs": plan.inputs,
        "counts": plan.counts,
        "cost": {"before": plan.cost_before, "after": plan.cost_after},
        "steps": [_step(step) for step in plan.steps],
        "waits": [
            {
                "subject": wait.subject._asdict(),
                "reason": wait.reason,
                "message": wait.message,
                "until": wait.until,
            }
            for wait in plan.waits
        ],
    }


def _step(step: model.Step) -> dict[str, Any]:
    return {
        "action": step.action,
        "subject": step.subject._asdict(),
        "project": step.project,
        "because": step.because,
        "mode": step.mode,
        "destructive": step.destructive,
        "fields": [
            {"path": field.path, "before": field.before, "after": field.after}
            for field in step.fields
        ],
        "depends_on": [key._asdict() for key in step.depends_on],
        "cost": {"before": step.cost_before, "after": step.cost_after},
        "operation": step.operation,
        "external_id": step.external_id,
    }
