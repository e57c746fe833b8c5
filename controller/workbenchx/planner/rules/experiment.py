"""Experiment: its matrix becomes matrix runs, each executed once; their best one is recorded when all have ended."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx.api import reasons, states
from workbenchx.planner import (
    cells,
    draft,
    errands,
    executions,
    gates,
    inputs,
    model,
    subjects,
    verdicts,
)
from workbenchx.planner.rules import runner_job

_ENDED = frozenset({states.State.SUCCEEDED, states.State.FAILED, states.State.CANCELLED})


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """One cell with how it stands and the execution that counts for it."""

    cell: cells.Cell
    verdict: model.Verdict
    latest: model.Execution | None


def settle(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict:
    """Write the row, keep as many matrix runs going as `concurrency` allows, sum up."""
    writing.record(subject)
    matrix = cells.expand(subject.key, subject.spec, subject.renamed_from)
    rows = writing.index.cells_of(subject)
    with writing.gathered(subject.key):
        standings = _pursue_all(writing, subject, matrix, rows)
        if subject.spec.get("earlyStop"):
            message = "spec.earlyStop is accepted but has no effect yet"
            writing.wait(subject.key, verdicts.Refusal("NoEffectYet", message))
    _keep_dropped(writing, subject, matrix, rows)
    _finish_rerun(writing, subject, standings)
    verdict = _sum_up(writing, subject, standings)
    return runner_job.broken(writing, subject, verdict) or verdict


def _pursue_all(
    writing: draft.Draft,
    subject: subjects.Subject,
    matrix: Sequence[cells.Cell],
    rows: Mapping[model.Key, model.Recorded],
) -> list[Standing]:
    gate = gates.missing(writing, subject) or gates.waiting(writing, subject)
    resolve = functools.cache(
        lambda: inputs.resolve(writing, subject.key.namespace, subject.project, subject.spec)
    )
    tracks = {cell.key: writing.index.runs_of(cell.key, cell.old) for cell in matrix}
    running = sum(bool(track.open({executions.EXECUTE})) for track in tracks.values())
    places = (
        int(subject.spec.get("concurrency") or 1)
        - running
        - _dropped_running(writing, matrix, rows)
    )
    standings = []
    for cell in matrix:
        _row(writing, subject, cell, rows)
        errand = errands.Errand(
            key=cell.key,
            owner=subject,
            track=tracks[cell.key],
            spec=subject.spec,
            hash=_hash(subject, cell),
            params=cell.params,
            seed=cell.seed,
            experiment=subject.key.name,
            gate=gate,
            rerun=writing.people.rerun(cell.key) or writing.people.rerun(subject.key),
            resolve=resolve,
            parent=subject.key.name,
            parameters=cell.parameters,
        )
        verdict, started = _pursue(writing, errand, places)
        places -= started
        writing.conclude(verdict)
        latest = errand.track.latest_unscheduled(errand.hash)
        standings.append(Standing(cell, verdict, latest))
    return standings


def _hash(subject: subjects.Subject, cell: cells.Cell) -> str:
    return executions.hash_of(subject.spec, params=cell.params, seed=cell.seed)


def _pursue(
    writing: draft.Draft, errand: errands.Errand, places: int
) -> tuple[model.Verdict, bool]:
    """How a cell stands, and whether it took a place."""
    running = errand.track.open({executions.EXECUTE})
    if running:
        return errands.under_way(writing, errand, running[-1]), False
    start = errands.due(writing, errand, errand.track.latest_unscheduled(errand.hash))
    if isinstance(start, model.Verdict):
        return start, False
    if places <= 0 and not errand.gate:
        refusal = verdicts.Refusal(reasons.Reason.QUEUED, "waits for a place: spec.concurrency")
        writing.wait(errand.key, refusal)
        return verdicts.refused(errand.key, refusal), False
    verdict = errands.begin(writing, errand, start)
    return verdict, verdict.state == states.State.QUEUED


def _row(
    writing: draft.Draft,
    subject: subjects.Subject,
    cell: cells.Cell,
    rows: Mapping[model.Key, model.Recorded],
) -> None:
    """The row of a matrix run: made once, renamed with its Experiment."""
    if cell.key in rows:
        return
    moved = cell.old in rows
    writing.emit(
        model.Step(
            action=model.Action.UPDATE if moved else model.Action.CREATE,
            subject=cell.key,
            because=model.Because.RENAMED if moved else model.Because.NEW,
            project=subject.project,
            execution_hash=_hash(subject, cell),
            renamed_from=cell.old if moved else None,
            parent=subject.key.name,
            parameters=cell.parameters,
        )
    )


def _current(matrix: Sequence[cells.Cell]) -> set[model.Key]:
    return {cell.key for cell in matrix} | {cell.old for cell in matrix if cell.old}


def _dropped_running(
    writing: draft.Draft,
    matrix: Sequence[cells.Cell],
    rows: Mapping[model.Key, model.Recorded],
) -> int:
    """Matrix runs that are no longer in the matrix and still run: they take a place until they end."""
    dropped = rows.keys() - _current(matrix)
    return sum(bool(writing.index.runs_of(key).open({executions.EXECUTE})) for key in dropped)


def _keep_dropped(
    writing: draft.Draft,
    subject: subjects.Subject,
    matrix: Sequence[cells.Cell],
    rows: Mapping[model.Key, model.Recorded],
) -> None:
    """What was executed stays as history; what never was goes with its cell."""
    for key in sorted(rows.keys() - _current(matrix)):
        track = writing.index.runs_of(key)
        if track.last is None:
            writing.emit(
                model.Step(
                    action=model.Action.DELETE,
                    subject=key,
                    because=model.Because.NOT_DECLARED,
                    project=subject.project,
                    parent=subject.key.name,
                )
            )
            continue
        moved = _renamed(writing, subject, rows[key])
        latest = track.latest({executions.EXECUTE})
        message = f"no longer in the matrix of Experiment/{subject.key.name}"
        if latest and not latest.state.open:
            verdict = verdicts.of_execution(moved, latest)
            verdict = dataclasses.replace(
                verdict, ready=True, reason=reasons.Reason.READY.value, message=message
            )
            writing.conclude(verdict)


def _renamed(writing: draft.Draft, subject: subjects.Subject, row: model.Recorded) -> model.Key:
    """The key of a dropped matrix run, which follows its Experiment's name."""
    if subject.renamed_from is None:
        return row.key
    digits = row.key.name.rpartition("-")[2]
    key = model.Key(row.key.kind, row.key.namespace, f"{subject.key.name}-{digits}")
    writing.emit(
        model.Step(
            action=model.Action.UPDATE,
            subject=key,
            because=model.Because.RENAMED,
            project=subject.project,
            execution_hash=row.hash,
            renamed_from=row.key,
            parent=subject.key.name,
            parameters=row.spec.get("params"),
        )
    )
    return key


def _finish_rerun(
    writing: draft.Draft, subject: subjects.Subject, standings: Sequence[Standing]
) -> None:
    """An order to execute again is carried out once every matrix run is newer than it."""
    order = writing.people.rerun(subject.key)
    for standing in standings:
        own = writing.people.rerun(standing.cell.key)
        latest = standing.latest
        again = latest is None or errands.ordered_again(own or order, latest)
        begun = standing.verdict.state == states.State.QUEUED
        if own and (begun or not again):
            writing.consume(own)
        if order and again and not begun:
            order = None
    writing.consume(order)


def _sum_up(
    writing: draft.Draft, subject: subjects.Subject, standings: Sequence[Standing]
) -> model.Verdict:
    """The Experiment's own verdict. Its message counts only once nothing moves any more."""
    found = [standing.verdict for standing in standings]
    if not all(verdict.state in _ENDED for verdict in found):
        return _unfinished(subject, standings)
    best = best_of(subject.spec, standings)
    if best:
        writing.outputs[subject.key] = best["outputs"]
    facts = {"best": best}
    bad = sum(not verdict.ready for verdict in found)
    if bad:
        message = f"{bad} of {len(found)} matrix runs failed"
        return verdicts.of(
            subject.key, states.State.FAILED, reasons.Reason.FAILED, message, facts=facts
        )
    return verdicts.of(
        subject.key, states.State.SUCCEEDED, reasons.Reason.SUCCEEDED, ready=True, facts=facts
    )


def _unfinished(subject: subjects.Subject, standings: Sequence[Standing]) -> model.Verdict:
    moving = any(standing.verdict.state in {"Queued", "Running"} for standing in standings)
    facts = {"best": None}
    if moving:
        message = "its matrix runs are under way"
        return verdicts.of(
            subject.key, states.State.RUNNING, reasons.Reason.RUNNING, message, facts=facts
        )
    blocked = next(item.verdict for item in standings if item.verdict.state not in _ENDED)
    refusal = verdicts.Refusal(blocked.reason, blocked.message)
    return verdicts.refused(subject.key, refusal, facts=facts)


def best_of(spec: Mapping[str, Any], standings: Sequence[Standing]) -> dict[str, Any] | None:
    """The succeeded run with the best metric; of equals the first in the matrix. None if no run reported it."""
    metric = spec.get("metric") or {}
    name, sign = str(metric.get("name")), -1.0 if metric.get("goal") == "maximize" else 1.0
    chosen: Standing | None = None
    for standing in standings:
        latest = standing.latest
        if latest is None or not standing.verdict.ready or name not in latest.metrics:
            continue
        known = chosen.latest.metrics[name] if chosen and chosen.latest else None
        if known is None or sign * latest.metrics[name] < sign * known:
            chosen = standing
    if chosen is None or chosen.latest is None:
        return None
    return {
        "run_id": chosen.latest.run_id,
        "name": chosen.cell.key.name,
        "metric": chosen.latest.metrics[name],
        "params": dict(chosen.cell.params),
        "seed": chosen.cell.seed,
        "outputs": dict(chosen.latest.outputs),
    }
