"""Commands that run to completion: RunnerJob, ExperimentRun, matrix run. Once for each execution hash, tries counted."""

import dataclasses
import datetime
from collections.abc import Callable, Mapping
from typing import Any

from workbenchx.api import reasons, states
from workbenchx.planner import (
    allowance,
    cost,
    draft,
    executions,
    inputs,
    model,
    orders,
    placements,
    subjects,
    verdicts,
)

_ENDED_BADLY = frozenset(
    {
        model.ExecutionState.FAILED,
        model.ExecutionState.TIMED_OUT,
        model.ExecutionState.LOST,
    }
)


@dataclasses.dataclass(frozen=True, slots=True)
class Errand:
    """One thing to be executed once. `owner` is the resource whose spec it is: for a matrix run its Experiment.

    `spec` is what is executed, `gate` what keeps anything new from starting, `resolve` answers its inputs.
    """

    key: model.Key
    owner: subjects.Subject
    track: executions.Track
    spec: Mapping[str, Any]
    hash: str
    resolve: Callable[[], inputs.Resolved | verdicts.Refusal]
    gate: verdicts.Refusal | None = None
    params: Mapping[str, Any] | None = None
    seed: int | None = None
    experiment: str | None = None
    rerun: model.Intervention | None = None
    parent: str | None = None
    parameters: Mapping[str, Any] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Start:
    """That an execution is due now, why, and which try of what it is."""

    because: model.Because
    tries: int = 1
    scheduled_for: datetime.datetime | None = None


def pursue(writing: draft.Draft, errand: Errand) -> model.Verdict:
    """Start it if it is due; say how it stands."""
    running = errand.track.open({executions.EXECUTE})
    if running:
        return under_way(writing, errand, running[-1])
    latest = errand.track.latest_unscheduled(errand.hash)
    start = due(writing, errand, latest)
    if isinstance(start, model.Verdict):
        return start
    return begin(writing, errand, start)


def under_way(writing: draft.Draft, errand: Errand, run: model.Execution) -> model.Verdict:
    """It runs, or is about to: no second one is started."""
    writing.wait(errand.key, verdicts.Refusal("InProgress", "a run of it is under way"))
    placed = placements.of(writing, errand.owner.project, errand.spec)
    if isinstance(placed, placements.Placement):
        limit = orders.timeout(errand.spec.get("timeout"), placed.longest)
        lasts = cost.hours(executions.EXECUTE, {"timeout": limit})
        writing.rates[errand.key] = draft.Rate(errand.owner.project, placed.rate, lasts)
    return verdicts.of_execution(errand.key, run)


def due(
    writing: draft.Draft, errand: Errand, latest: model.Execution | None
) -> Start | model.Verdict:
    """Whether an execution of this hash is due after `latest`; if not, how it stands."""
    if latest is None:
        before = errand.track.latest({executions.EXECUTE})
        because = model.Because.SPEC_CHANGED if before else model.Because.NEW
        return Start(because)
    if ordered_again(errand.rerun, latest):
        return Start(model.Because.RERUN)
    if errand.parent is None:
        writing.consume(errand.rerun)
    if latest.state in _ENDED_BADLY:
        return _after_failure(writing, errand, latest)
    return verdicts.of_execution(errand.key, latest)


def ordered_again(order: model.Intervention | None, latest: model.Execution) -> bool:
    """Whether a person asked for another execution after `latest` was queued."""
    if order is None:
        return False
    return order.at is None or latest.queued_at is None or latest.queued_at < order.at


def _after_failure(
    writing: draft.Draft, errand: Errand, latest: model.Execution
) -> Start | model.Verdict:
    if latest.tries > int(errand.spec.get("retries") or 0):
        return verdicts.of_execution(errand.key, latest)
    again = executions.due_again(latest, writing.index.policy.retry_backoff)
    if writing.now >= again:
        return Start(model.Because.RETRY, latest.tries + 1, latest.scheduled_for)
    return retrying(writing, errand.key, latest, again)


def retrying(
    writing: draft.Draft, key: model.Key, latest: model.Execution, again: datetime.datetime
) -> model.Verdict:
    """The pause before the next try."""
    message = f"the last try ended badly: {latest.message or latest.reason or latest.state.value}"
    refusal = verdicts.Refusal(reasons.Reason.RETRYING, message)
    writing.wait(key, refusal, again)
    return verdicts.refused(key, refusal)


def begin(writing: draft.Draft, errand: Errand, start: Start) -> model.Verdict:
    """Put the run into the plan, or say what it waits for."""
    order = _order(writing, errand)
    if isinstance(order, verdicts.Refusal):
        writing.wait(errand.key, order)
        return verdicts.refused(errand.key, order)
    document, placed = order
    if start.scheduled_for is not None:
        document |= {"scheduled_for": start.scheduled_for.isoformat()}
    if errand.parent is None:
        writing.consume(errand.rerun)
    writing.emit(
        model.Step(
            action=model.Action.RUN,
            subject=errand.key,
            because=start.because,
            mode=model.Mode.RE_CREATE,
            cost_after=placed.rate,
            project=errand.owner.project,
            provider=placed.effective,
            operation=executions.EXECUTE,
            execution_hash=errand.hash,
            attempt=errand.track.next_attempt,
            tries=start.tries,
            scheduled_for=start.scheduled_for,
            document=document,
            parent=errand.parent,
            parameters=errand.parameters,
        )
    )
    facts = {"provider": placed.spelled}
    return verdicts.of(errand.key, states.State.QUEUED, reasons.Reason.QUEUED, facts=facts)


def _order(
    writing: draft.Draft, errand: Errand
) -> tuple[orders.Order, placements.Placement] | verdicts.Refusal:
    if errand.gate:
        return errand.gate
    placed = placements.of(writing, errand.owner.project, errand.spec)
    if isinstance(placed, verdicts.Refusal):
        return placed
    resolved = errand.resolve()
    if isinstance(resolved, verdicts.Refusal):
        return resolved
    code = code_of(writing, errand.owner.project)
    if isinstance(code, verdicts.Refusal):
        return code
    refused = writing.allowance.take(errand.owner.project, "runs", allowance.gpus_of(errand.spec))
    if refused:
        return refused
    document = orders.execution(
        placed,
        errand.spec,
        inputs=resolved,
        code=code,
        params=errand.params,
        seed=errand.seed,
        experiment=errand.experiment,
    )
    return document, placed


def code_of(
    writing: draft.Draft, project: str | None, revision: str | None = None
) -> model.Code | verdicts.Refusal | None:
    """The snapshot that a run of the project gets; None if the project has no code at all."""
    owner = writing.index.project(project)
    repo = (owner.spec.get("repo") or {}) if owner else {}
    code = writing.index.world.code
    found = code.get(project or "")
    if revision and revision != repo.get("branch"):
        same = found is not None and found.commit is not None and found.commit.startswith(revision)
        found = found if same else code.get(f"{project}@{revision}")
        if found is None:
            message = f'there is no snapshot of Project/{project} at revision "{revision}"'
            return verdicts.Refusal(reasons.Reason.CODE_MISSING, message)
    if found is None and repo:
        message = f"there is no snapshot of the code that Project/{project} names in spec.repo"
        return verdicts.Refusal(reasons.Reason.CODE_MISSING, message)
    return found
