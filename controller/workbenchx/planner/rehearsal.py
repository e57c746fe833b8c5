"""The world that declared files would have made if all went well: what a change is compared with where no installation is read.

Nothing in it was recorded by anybody; who shows a plan against it says so. Pure: a second passes with each round.
"""

import dataclasses
import datetime
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from workbenchx.api import canonical
from workbenchx.planner import model, plan

_MOST_ROUNDS = 60
_WRITES = frozenset(
    {model.Action.CREATE, model.Action.UPDATE, model.Action.REPLACE, model.Action.ADOPT}
)
_MAKES = frozenset({"create", "replace"})


def settled(world: model.World) -> model.World:
    """`world`, of which only what is declared counts, with the rows, runs and objects that it comes to.

    A run ends well, its outputs are named and its metric is a number, neither of which anybody measured.
    """
    stage = _Stage(world)
    for _ in range(_MOST_ROUNDS):
        if not stage.act(plan.plan(stage.world)):
            break
    return stage.world


class _Stage:
    """What there is so far."""

    def __init__(self, world: model.World) -> None:
        self._base = world
        self._declared = {row.key: row for row in world.declared}
        self._recorded: dict[model.Key, model.Recorded] = {}
        self._runs: list[model.Execution] = []
        self._objects: dict[str, model.ObservedObject] = {}
        self._now = world.now

    @property
    def world(self) -> model.World:
        """What the planner sees."""
        return dataclasses.replace(
            self._base,
            recorded=tuple(self._recorded.values()),
            executions=tuple(self._runs),
            observed=tuple(self._objects.values()),
            epochs=tuple(
                model.Epoch(provider, complete=True, at=self._now)
                for provider in sorted({found.provider for found in self._objects.values()})
            ),
            now=self._now,
        )

    def act(self, found: model.Plan) -> bool:
        """Carry out a plan; whether it did anything."""
        steps = [step for step in found.steps if step.executable]
        moving = {step.subject for step in steps if step.operation}
        for step in steps:
            if step.action in _WRITES:
                self._write(step)
        self._say(found.verdicts)
        for step in steps:
            if step.operation and not moving.intersection(step.depends_on):
                self._perform(step)
        self._now += datetime.timedelta(seconds=1)
        return bool(steps)

    def _write(self, step: model.Step) -> None:
        declared = self._declared.get(step.subject)
        spec = declared.spec if declared else _cell(step)
        old = self._recorded.get(step.subject)
        self._recorded[step.subject] = model.Recorded(
            key=step.subject,
            uid=old.uid if old else _digest(str(step.subject), step.subject.namespace),
            project=(declared.project if declared else None) or step.project,
            spec=spec,
            hash=declared.hash if declared else step.execution_hash,
            state=old.state if old else "Pending",
            ready=old.ready if old else False,
            reason=old.reason if old else "",
            external_id=old.external_id if old else None,
            provider=old.provider if old else None,
            source=declared.source if declared else model.SourceRef(),
            facts=old.facts if old else {},
        )

    def _say(self, verdicts: Iterable[model.Verdict]) -> None:
        for verdict in verdicts:
            row = self._recorded.get(verdict.key)
            if row is not None:
                self._recorded[verdict.key] = dataclasses.replace(
                    row,
                    state=verdict.state,
                    ready=verdict.ready,
                    reason=verdict.reason,
                    message=verdict.message,
                    facts=_merged(row.facts, verdict.facts),
                )

    def _perform(self, step: model.Step) -> None:
        order = step.document or {}
        name = _digest(str(step.subject), step.subject.namespace, str(step.attempt))
        self._runs.append(
            model.Execution(
                run_id=name,
                key=step.subject,
                operation=step.operation or "",
                state=model.ExecutionState.SUCCEEDED,
                execution_hash=step.execution_hash,
                attempt=step.attempt,
                tries=step.tries,
                reason="Succeeded",
                exit_code=0,
                queued_at=self._now,
                started_at=self._now,
                ended_at=self._now,
                scheduled_for=step.scheduled_for,
                metrics=_metrics(order),
                outputs=_outputs(step, order),
            )
        )
        if step.operation in _MAKES:
            self._make(step, order, name)

    def _make(self, step: model.Step, order: Mapping[str, Any], name: str) -> None:
        row = self._recorded[step.subject]
        provider = str(order.get("stand_in") or order.get("adapter") or "")
        ttl = order.get("ttl")
        end = (self._now + datetime.timedelta(seconds=ttl)).isoformat() if ttl else None
        facts = {"external_id": name, "started_at": self._now.isoformat(), "expires_at": end}
        self._objects[name] = model.ObservedObject(provider, name, row.uid, "running")
        self._recorded[step.subject] = dataclasses.replace(
            row, facts=_merged(row.facts, facts), external_id=name, provider=provider
        )


def _cell(step: model.Step) -> dict[str, Any]:
    """The spec of a matrix run, which no file declares."""
    return {"experiment": step.parent, "params": dict(step.parameters or {})}


def _outputs(step: model.Step, order: Mapping[str, Any]) -> dict[str, str]:
    names = (str(item["name"]) for item in order.get("outputs") or ())
    return {name: _digest(str(step.subject), step.execution_hash, name) for name in names}


def _metrics(order: Mapping[str, Any]) -> dict[str, float]:
    """Of no meaning, but one for each choice of parameters, so that there is a best one."""
    metric = order.get("metric")
    asked = canonical.digest({"params": order.get("params"), "seed": order.get("seed")})
    return {str(metric): int(asked[:6], 16) / 1000.0} if metric else {}


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in {**old, **new}.items() if item is not None}
