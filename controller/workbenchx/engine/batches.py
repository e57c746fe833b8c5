"""From a plan to the batch of writes that records it. Pure but for the ids it is handed.

A provider step becomes a queued run only when nothing it depends on is still to be executed by this very plan: the
rest is planned again when that has ended.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from workbenchx import ports
from workbenchx.engine import ids
from workbenchx.planner import model

DEFAULT_TIMEOUT = 3600.0
RECONCILE_TIMEOUT = 600.0
MAKING = frozenset({"create", "execute", "replace", "reproduce"})
EXECUTING = frozenset({"execute", "reproduce"})
_ROW_ACTIONS = frozenset(
    {
        model.Action.CREATE,
        model.Action.UPDATE,
        model.Action.REPLACE,
        model.Action.ADOPT,
    }
)
_ROW_REMOVALS = frozenset({model.Action.DELETE, model.Action.FORGET})


@dataclasses.dataclass(frozen=True, slots=True)
class Ids:
    """Makers of identifiers."""

    run: Callable[[], str]
    resource: Callable[[], str]


def build(world: model.World, plan: model.Plan, makers: Ids) -> ports.Batch:
    """All writes of one pass."""
    recorded = {row.key: row for row in world.recorded}
    uids = _uids(plan, recorded, makers)
    return ports.Batch(
        run_id=makers.run(),
        rows=tuple(_rows(world, plan, uids)),
        tombstones=tuple(_tombstones(plan, recorded)),
        verdicts=tuple(_verdicts(plan, recorded, uids)),
        orders=tuple(_orders(plan, uids, makers, world.policy.installation)),
        cancels=tuple(plan.inputs.get("cancels", ())),
        applied_interventions=tuple(plan.inputs.get("applied_interventions", ())),
        plan=plan,
        commit=plan.inputs.get("commit"),
    )


def _uids(
    plan: model.Plan, recorded: Mapping[model.Key, model.Recorded], makers: Ids
) -> dict[model.Key, str]:
    uids = {key: row.uid for key, row in recorded.items()}
    for step in plan.steps:
        if step.renamed_from and step.renamed_from in uids:
            uids[step.subject] = uids[step.renamed_from]
    for step in plan.steps:
        if step.action in _ROW_ACTIONS and step.subject not in uids:
            uids[step.subject] = makers.resource()
    return uids


def _rows(
    world: model.World,
    plan: model.Plan,
    uids: Mapping[model.Key, str],
) -> Iterator[ports.RowWrite]:
    declared = {row.key: row for row in world.declared}
    for step in plan.steps:
        if step.action not in _ROW_ACTIONS:
            continue
        parent = _parent(step)
        yield ports.RowWrite(
            declared=declared.get(step.subject) or _synthesized(step, declared, parent),
            uid=uids[step.subject],
            action=step.action,
            because=step.because,
            renamed_from=step.renamed_from,
            fields=step.fields,
            parent_uid=uids.get(parent) if parent else None,
            parameters=step.parameters,
        )


def _parent(step: model.Step) -> model.Key | None:
    """The Experiment of a matrix run."""
    if step.parent is None:
        return None
    return model.Key("Experiment", step.subject.namespace, step.parent)


def _synthesized(
    step: model.Step, declared: Mapping[model.Key, model.Declared], parent: model.Key | None
) -> model.Declared:
    """A matrix run has no document of its own: it is declared where its Experiment is."""
    source = declared[parent].source if parent and parent in declared else model.SourceRef()
    return model.Declared(
        key=step.subject,
        project=step.project,
        spec={"experiment": step.parent, "params": dict(step.parameters or {})},
        hash=step.execution_hash,
        source=source,
    )


def _tombstones(
    plan: model.Plan, recorded: Mapping[model.Key, model.Recorded]
) -> Iterator[tuple[model.Key, str, model.Because, model.Action]]:
    for step in plan.steps:
        removed = step.action in _ROW_REMOVALS and step.operation is None
        if removed and step.subject in recorded:
            yield step.subject, recorded[step.subject].uid, step.because, step.action


def _verdicts(
    plan: model.Plan,
    recorded: Mapping[model.Key, model.Recorded],
    uids: Mapping[model.Key, str],
) -> Iterator[tuple[str, model.Verdict]]:
    for verdict in plan.verdicts:
        if verdict.key in uids and differs(verdict, recorded.get(verdict.key)):
            yield uids[verdict.key], verdict


def differs(verdict: model.Verdict, row: model.Recorded | None) -> bool:
    """Whether the verdict would change the recorded row."""
    if row is None:
        return True
    said = (verdict.state, verdict.ready, verdict.reason, verdict.message)
    if said != (row.state, row.ready, row.reason, row.message):
        return True
    return any(row.facts.get(name) != value for name, value in verdict.facts.items())


def pending(world: model.World, plan: model.Plan) -> frozenset[model.Key]:
    """The resources that the plan would still change, or that a run is changing: an order about them is not in force yet."""
    recorded = {row.key: row for row in world.recorded}
    read, cancels = (
        set(plan.inputs.get(name, ())) for name in ("applied_interventions", "cancels")
    )
    return frozenset(
        {step.subject for step in plan.steps if step.executable}
        | {
            verdict.key
            for verdict in plan.verdicts
            if verdict.key in recorded and differs(verdict, recorded[verdict.key])
        }
        | {order.key for order in world.interventions if order.key and order.id in read}
        | {
            run.key
            for run in world.executions
            if run.run_id in cancels or (run.state.open and run.operation not in EXECUTING)
        }
    )


def _orders(
    plan: model.Plan, uids: Mapping[model.Key, str], makers: Ids, installation: str
) -> Iterator[ports.RunOrder]:
    later = {step.subject for step in plan.steps if step.operation}
    for step in plan.steps:
        if not step.operation or not step.executable:
            continue
        if not any(key in later and key != step.subject for key in step.depends_on):
            yield _order(step, uids[step.subject], makers.run(), installation)


def _order(step: model.Step, uid: str, run_id: str, installation: str) -> ports.RunOrder:
    document = step.document or {}
    executes = step.operation == "execute"
    default = DEFAULT_TIMEOUT if executes else RECONCILE_TIMEOUT
    return ports.RunOrder(
        run_id=run_id,
        key=step.subject,
        resource_uid=uid,
        project=step.project,
        operation=step.operation or "",
        provider=step.provider or "",
        document=document,
        execution_hash=step.execution_hash,
        attempt=step.attempt,
        tries=step.tries,
        timeout=float((document.get("timeout") if executes else None) or default),
        external_id=step.external_id,
        scheduled_for=step.scheduled_for,
        cost_estimate=step.cost_after,
        intent=intent(installation, step.operation or "", uid, step.attempt, document),
    )


def intent(
    installation: str, operation: str, uid: str, attempt: int, document: Mapping[str, Any]
) -> tuple[str, str] | None:
    """The object that a run will make: (adapter, name); None if it makes none."""
    if operation not in MAKING:
        return None
    adapter = document.get("stand_in") or document.get("adapter") or ""
    return adapter, ids.sandbox_name(installation, uid, attempt)
