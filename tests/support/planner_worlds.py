"""Worlds for planner tests: short ways to declare things, and a small executor that lives a plan out in memory.

The executor keeps the engine's laws: a batch is written whole, an order whose dependency still moves is not queued,
an object's name is made of its resource's uid and attempt, facts of an outcome are merged.
"""

import dataclasses
import datetime
import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workbenchx.api import canonical
from workbenchx.planner import model, plan

START = datetime.datetime(2026, 11, 23, 12, 0, tzinfo=datetime.UTC)
IMAGE = "docker.io/library/python:3.12-slim@sha256:" + "a" * 64
NEW_IMAGE = "docker.io/library/python:3.12-slim@sha256:" + "b" * 64
ROW_ACTIONS = {
    model.Action.CREATE,
    model.Action.UPDATE,
    model.Action.REPLACE,
    model.Action.ADOPT,
}
PROJECT = "penguins"


def key(text: str, namespace: str = PROJECT) -> model.Key:
    """`Kind/name` as a key; cluster-scoped kinds have no namespace."""
    kind, _, name = text.partition("/")
    cluster = {"Project", "Runtime", "Template"}
    return model.Key(kind, "" if kind in cluster or kind.endswith("Provider") else namespace, name)


def declare(
    text: str,
    spec: Mapping[str, Any] | None = None,
    *,
    path: str | None = None,
    project: str = PROJECT,
    problem: str | None = None,
    line: int = 1,
) -> model.Declared:
    """A declared resource; namespaced kinds belong to `project`."""
    found = key(text, project)
    written = dict(spec or {})
    if found.namespace and found.kind != "ExperimentRun":
        written = {"project": project, **written}
    place = path or f"ssot/projects/{project}/{found.kind.lower()}-{found.name}.yaml"
    return model.Declared(
        found,
        written.get("project"),
        written,
        canonical.digest(written),
        model.SourceRef("embedded", ".", "c0ffee", place, line),
        problem,
    )


def platform(**runtime: Any) -> list[model.Declared]:
    """What nearly every world needs: a provider, a runtime, a project."""
    prices = [
        {"unit": "cpu-hour", "usd": 0.128},
        {"unit": "memory-gib-hour", "usd": 0.0212},
    ]
    sandbox = {"adapter": "vercel_sandbox", "default": True, "prices": prices}
    image = {"image": IMAGE, "approved": True, **runtime}
    return [
        declare("SandboxProvider/vercel", sandbox, path="ssot/providers/vercel/sandbox.yaml"),
        declare("Runtime/py", image, path="ssot/runtimes/py.yaml"),
        declare("Project/penguins", {"runtimes": ["py"]}, path="ssot/projects/penguins/p.yaml"),
    ]


def job(name: str = "ingest", **spec: Any) -> model.Declared:
    """A RunnerJob on the platform's runtime."""
    return declare(f"RunnerJob/{name}", {"runtime": "py", "command": ["run", name], **spec})


def session(name: str = "notebook", **spec: Any) -> model.Declared:
    """A Session on the platform's runtime."""
    return declare(f"Session/{name}", {"runtime": "py", **spec})


def app(name: str = "shop", **spec: Any) -> list[model.Declared]:
    """An App and its AppDeployment."""
    return [
        declare(f"App/{name}", {"command": ["serve", name], "port": 8080}),
        declare(f"AppDeployment/{name}", {"app": name, "runtime": "py", **spec}),
    ]


def experiment(name: str = "species", **spec: Any) -> model.Declared:
    """An Experiment of four cells with an output called model."""
    return declare(
        f"Experiment/{name}",
        {
            "runtime": "py",
            "command": ["train"],
            "matrix": {"rate": [0.1, 0.2], "depth": [1, 2]},
            "concurrency": 2,
            "metric": {"name": "loss", "goal": "minimize"},
            "outputs": [{"name": "model", "path": "outputs/model.json"}],
            **spec,
        },
    )


def registered(name: str = "species", **version: Any) -> model.Declared:
    """A Model with one version, from the best run of the experiment called like it."""
    written = {"version": "1", "fromRun": f"best(Experiment/{name})", **version}
    return declare(f"Model/{name}", {"versions": [written]})


Ending = Callable[[model.Execution, Mapping[str, Any]], dict[str, Any]]


def well(run: model.Execution, order: Mapping[str, Any]) -> dict[str, Any]:
    """A run that succeeds: its outputs and its metric are made of what it was asked."""
    made = canonical.digest({"params": order.get("params"), "seed": order.get("seed")})
    outputs = {
        item["name"]: hashlib.sha256(f"{run.key}{made}{item['name']}".encode()).hexdigest()
        for item in order.get("outputs") or ()
    }
    metric = order.get("metric")
    metrics = {str(metric): int(made[:6], 16) / 1000.0} if metric else {}
    return {"state": model.ExecutionState.SUCCEEDED, "outputs": outputs, "metrics": metrics}


def badly(
    state: model.ExecutionState = model.ExecutionState.FAILED,
    reason: str = "Failed",
    message: str = "command exited with code 3",
) -> Ending:
    """A run that ends badly."""

    def end(_run: model.Execution, _order: Mapping[str, Any]) -> dict[str, Any]:
        return {"state": state, "reason": reason, "message": message, "exit_code": 3}

    return end


class Life:
    """A world that goes on: declare, plan, apply, let runs end, observe, let time pass."""

    def __init__(self, *declared: model.Declared, **policy: Any) -> None:
        self.declared = {row.key: row for row in declared}
        self.complete = True
        self.recorded: dict[model.Key, model.Recorded] = {}
        self.executions: dict[str, model.Execution] = {}
        self.orders: dict[str, model.Step] = {}
        self.objects: dict[str, model.ObservedObject] = {}
        self.epochs: dict[str, model.Epoch] = {}
        self.seen: dict[str, model.ObservedObject] = {}
        self.interventions: dict[str, model.Intervention] = {}
        self.destroyed: list[model.Destroyed] = []
        self.strays: list[model.Stray] = []
        self.outages: dict[str, str] = {}
        self.probes: dict[tuple[str, str], str] = {}
        self.holds: dict[model.Key, str] = {}
        self.confirmed: set[model.Key] = set()
        self.code = {PROJECT: model.Code("c" * 64, "c0ffee")}
        self.policy = model.Policy(**{"stand_in": "local", **policy})
        self.now = START
        self.started: list[tuple[model.Key, str, int, datetime.datetime | None]] = []
        self._numbers = itertools.count(1)

    # --- what happens outside
    def add(self, *rows: model.Declared) -> None:
        """Declare (or change) resources."""
        for row in rows:
            self.declared[row.key] = row

    def drop(self, *names: str) -> None:
        """Remove documents."""
        for name in names:
            del self.declared[key(name)]

    def order(self, verb: str, name: str | None = None, **args: Any) -> str:
        """A person orders something."""
        id_ = f"i{next(self._numbers)}"
        about = key(name) if name else None
        self.interventions[id_] = model.Intervention(id_, verb, about, args, self.now, "ada")
        return id_

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += datetime.timedelta(seconds=seconds)

    def observe(self, *, complete: bool = True) -> None:
        """The provider is looked at, now."""
        number = self.epochs["local"].number + 1 if "local" in self.epochs else 1
        self.epochs["local"] = model.Epoch("local", complete, self.now, number)
        self.seen = dict(self.objects) if complete else {}

    # --- the planner
    @property
    def world(self) -> model.World:
        """What the planner sees."""
        return model.World(
            declared=tuple(self.declared.values()),
            declared_complete=self.complete,
            recorded=tuple(self.recorded.values()),
            executions=tuple(self.executions.values()),
            observed=tuple(self.seen.values()),
            epochs=tuple(self.epochs.values()),
            strays=tuple(self.strays),
            outages=self.outages,
            probes=self.probes,
            holds=self.holds,
            interventions=tuple(self.interventions.values()),
            destroyed=tuple(self.destroyed),
            code=self.code,
            policy=self.policy,
            now=self.now,
        )

    def plan(self) -> model.Plan:
        """What is to be done now."""
        return plan.plan(self.world)

    # --- the engine
    def apply(self, found: model.Plan | None = None, *, first: int | None = None) -> model.Plan:
        """Write a plan's batch; `first`: only so many steps, and nothing of what comes after them."""
        found = found or self.plan()
        whole = first is None
        steps = [step for step in found.steps if step.executable][:first]
        confirmed = any(
            self.interventions[id_].verb == "confirm" and self._fresh(self.interventions[id_])
            for id_ in found.inputs["applied_interventions"]
        )
        if confirmed:
            self.confirmed |= {step.subject for step in steps if step.destructive}
        self._rows(steps)
        if whole:
            self._verdicts(found.verdicts)
        self._queue(found, steps)
        if whole:
            for id_ in found.inputs["applied_interventions"]:
                self.interventions.pop(id_, None)
            for run_id in found.inputs["cancels"]:
                run = self.executions[run_id]
                self.executions[run_id] = dataclasses.replace(run, cancel_requested=True)
        return found

    def _fresh(self, order: model.Intervention) -> bool:
        """Younger than the brakes' window: an older one may have been forgotten instead."""
        assert order.at is not None
        return (self.now - order.at).total_seconds() <= self.policy.brake_window

    def _rows(self, steps: Sequence[model.Step]) -> None:
        renamed = {step.renamed_from: step.subject for step in steps if step.renamed_from}
        for step in steps:
            if step.renamed_from and step.renamed_from in self.recorded:
                old = self.recorded.pop(step.renamed_from)
                self.recorded[step.subject] = dataclasses.replace(old, key=step.subject)
                self._rekey(step.renamed_from, step.subject)
            if step.action in ROW_ACTIONS:
                self._write(step)
            elif step.action in {model.Action.DELETE, model.Action.FORGET} and not step.operation:
                gone = self.recorded.pop(step.subject)
                project = step.subject.name if step.subject.kind == "Project" else step.project
                if step.action is model.Action.DELETE:
                    yes = step.subject in self.confirmed
                    self.destroyed.append(
                        model.Destroyed(project, gone.key.kind, self.now, confirmed=yes)
                    )
                self.confirmed.discard(step.subject)
        assert len(renamed) == len(set(renamed.values()))

    def _rekey(self, old: model.Key, new: model.Key) -> None:
        for run_id, run in self.executions.items():
            if run.key == old:
                self.executions[run_id] = dataclasses.replace(run, key=new)

    def _write(self, step: model.Step) -> None:
        declared = self.declared.get(step.subject)
        if declared is None:
            assert step.parent is not None, step
            parent = self.declared[model.Key("Experiment", step.subject.namespace, step.parent)]
            spec = {"experiment": step.parent, "params": dict(step.parameters or {})}
            declared = model.Declared(
                step.subject, step.project, spec, step.execution_hash, parent.source
            )
        old = self.recorded.get(step.subject)
        uid = old.uid if old else f"{next(self._numbers):08d}-uid"
        self.recorded[step.subject] = model.Recorded(
            key=step.subject,
            uid=uid,
            project=step.project if declared.project is None else declared.project,
            spec=declared.spec,
            hash=declared.hash,
            state=old.state if old else "Pending",
            ready=old.ready if old else False,
            reason=old.reason if old else "",
            message=old.message if old else "",
            external_id=old.external_id if old else None,
            provider=old.provider if old else None,
            source=declared.source,
            facts=old.facts if old else {},
            owned=old.owned if old and step.action is not model.Action.ADOPT else True,
        )

    def _verdicts(self, verdicts: Sequence[model.Verdict]) -> None:
        for verdict in verdicts:
            row = self.recorded.get(verdict.key)
            if row:
                self.recorded[verdict.key] = dataclasses.replace(
                    row,
                    state=verdict.state,
                    ready=verdict.ready,
                    reason=verdict.reason,
                    message=verdict.message,
                    facts=_merged(row.facts, verdict.facts),
                )

    def _queue(self, found: model.Plan, steps: Sequence[model.Step]) -> None:
        later = {step.subject for step in found.steps if step.operation}
        for step in steps:
            blocked = any(name in later and name != step.subject for name in step.depends_on)
            if not step.operation or blocked:
                continue
            row = self.recorded[step.subject]
            attempts = [run.attempt for run in self.executions.values() if run.key == step.subject]
            assert step.attempt not in attempts, f"attempt {step.attempt} of {step.subject} twice"
            run_id = f"run-{next(self._numbers):05d}"
            self.orders[run_id] = step
            self.executions[run_id] = model.Execution(
                run_id=run_id,
                key=step.subject,
                operation=step.operation,
                state=model.ExecutionState.QUEUED,
                execution_hash=step.execution_hash,
                attempt=step.attempt,
                tries=step.tries,
                external_id=step.external_id,
                queued_at=self.now,
                scheduled_for=step.scheduled_for,
            )
            assert row.uid
            if step.operation == "execute":
                self.started.append(
                    (step.subject, step.execution_hash, step.tries, step.scheduled_for)
                )

    def finish(self, ending: Ending = well, *, only: str | None = None) -> int:
        """Let the open runs (of one resource) end; how many did."""
        open_ = [run for run in self.executions.values() if run.state.open]
        chosen = [run for run in open_ if only is None or run.key == key(only)]
        for run in chosen:
            self._end(run, ending)
        return len(chosen)

    def _end(self, run: model.Execution, ending: Ending) -> None:
        order = self.orders[run.run_id].document or {}
        if run.cancel_requested:
            ending = badly(model.ExecutionState.CANCELLED, "Cancelled", "cancelled")
        ended = {"reason": "Succeeded", **ending(run, order)}
        ended |= {"started_at": self.now, "ended_at": self.now}
        run = dataclasses.replace(run, **ended)
        self.executions[run.run_id] = run
        if run.state is model.ExecutionState.SUCCEEDED and run.key in self.recorded:
            self._carry_out(run, order)

    def _carry_out(self, run: model.Execution, order: Mapping[str, Any]) -> None:
        row = self.recorded[run.key]
        facts: dict[str, Any] = {}
        if run.operation in {"stop", "delete", "replace"}:
            self.objects.pop(run.external_id or "", None)
            facts = {"external_id": None, "expires_at": None}
        if run.operation == "stop":
            facts["stopped_at"] = self.now.isoformat()
        if run.operation in {"create", "replace"}:
            facts = self._make(row, run, order)
        if run.operation == "extend":
            facts = {"expires_at": order["deadline"]}
        if run.operation == "snapshot":
            facts = {"snapshot": canonical.digest(run.run_id)}
        external = facts.get("external_id", row.external_id)
        made = run.operation in {"create", "replace"}
        provider = "local" if made else (row.provider if external else None)
        self.recorded[run.key] = dataclasses.replace(
            row, facts=_merged(row.facts, facts), external_id=external, provider=provider
        )

    def _make(
        self, row: model.Recorded, run: model.Execution, order: Mapping[str, Any]
    ) -> dict[str, Any]:
        name = f"wbx-test-{row.uid[:8]}-{run.attempt}"
        fields = {"image": order["runtime"]["image"], "ports": order["ports"]}
        self.objects[name] = model.ObservedObject("local", name, row.uid, "running", fields)
        ttl = order.get("ttl")
        end = (self.now + datetime.timedelta(seconds=ttl)).isoformat() if ttl else None
        return {"external_id": name, "started_at": self.now.isoformat(), "expires_at": end}

    def settle(self, ending: Ending = well, *, most: int = 60) -> model.Plan:
        """Plan, apply, let runs end, look; until nothing is left to do."""
        for _ in range(most):
            self.observe()
            found = self.apply()
            ended = self.finish(ending)
            self.wait(1)
            pause = any(wait.reason == "Retrying" for wait in found.waits)
            if pause:
                self.wait(300)
            elif not found.executable and not ended and not self.interventions_used(found):
                return found
        raise AssertionError(f"does not settle: {[str(s.subject) for s in found.steps]}")

    @staticmethod
    def interventions_used(found: model.Plan) -> bool:
        """Whether the plan used up an order."""
        return bool(found.inputs["applied_interventions"])


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in {**old, **new}.items() if item is not None}


def said(found: model.Plan) -> list[str]:
    """The steps in short: `action Kind/name Because`."""
    return [
        f"{step.action.value} {step.subject} {step.because.value}"
        + (f" {step.operation}" if step.operation else "")
        for step in found.steps
    ]


def steps_of(found: model.Plan, name: str) -> list[str]:
    """The actions on one resource."""
    return [
        f"{step.action.value} {step.because.value}"
        for step in found.steps
        if step.subject == key(name)
    ]


def verdict(found: model.Plan, name: str) -> model.Verdict:
    """What one row is to say."""
    return next(item for item in found.verdicts if item.key == key(name))


def standing(found: model.Plan, name: str) -> tuple[bool, str]:
    """Ready and its reason."""
    item = verdict(found, name)
    return item.ready, item.reason


def waits(found: model.Plan, name: str) -> set[str]:
    """Why one resource waits."""
    return {item.reason for item in found.waits if item.subject == key(name)}


def runs_of(life: Life, name: str) -> list[model.Execution]:
    """Every execution of one resource."""
    return [run for run in life.executions.values() if run.key == key(name)]
