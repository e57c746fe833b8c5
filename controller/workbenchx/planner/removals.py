"""What is no longer declared: remove it, let it go, or say why it stays."""

from workbenchx.api import reasons, states
from workbenchx.planner import (
    draft,
    endings,
    executions,
    model,
    placements,
    sightings,
    subjects,
    verdicts,
)

_LIVING = frozenset({"Session", "AppDeployment"})


def remove(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict | None:
    """The steps that end a resource. A verdict only while its row lives on."""
    if writing.people.suspended(subject.key):
        refusal = verdicts.Refusal(reasons.Reason.SUSPENDED, "is not declared, but suspended")
        writing.wait(subject.key, refusal)
        return verdicts.suspended(subject.key, by_person=True)
    forget = writing.people.order(subject.key, "forget")
    recorded = subject.recorded
    owned = recorded is None or recorded.owned
    if forget or subject.lifecycle.keeps or not owned:
        _let_go(writing, subject, forget, owned=owned)
        return None
    if subject.key.kind in _LIVING and _has_object(writing, subject):
        return _end_object(writing, subject)
    _remove_row(writing, subject)
    return None


def _has_object(writing: draft.Draft, subject: subjects.Subject) -> bool:
    return subject.external_id is not None or bool(
        writing.track(subject).open(executions.RECONCILING)
    )


def _let_go(
    writing: draft.Draft,
    subject: subjects.Subject,
    forget: model.Intervention | None,
    *,
    owned: bool,
) -> None:
    """The row goes, what it stood for stays as it is."""
    writing.consume(forget)
    writing.emit(
        model.Step(
            action=model.Action.FORGET,
            subject=subject.key,
            because=model.Because.ORDERED if forget else model.Because.NOT_DECLARED,
            destructive=forget is not None and owned and subject.external_id is not None,
            project=subject.project,
            external_id=subject.external_id,
        )
    )
    _remove_cells(writing, subject)


def _end_object(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict:
    """First the object at the provider; the row goes when that has ended."""
    track = writing.track(subject)
    deleting = verdicts.of(subject.key, states.State.DELETING, reasons.Reason.DELETING)
    running = track.open(executions.RECONCILING)
    if running:
        if running[-1].operation in executions.BRINGING_UP:
            writing.cancel(running[-1])
        message = f"its {running[-1].operation} is under way"
        writing.wait(subject.key, verdicts.Refusal("InProgress", message))
        return deleting
    paused = endings.pause_after_failure(writing, subject.key, track, {"delete"})
    if paused:
        return paused
    found = placements.of(writing, subject.project, subject.spec)
    placed = found if isinstance(found, placements.Placement) else None
    if _holds_data(writing, subject, track, placed):
        writing.data_bearing.add(subject.key)
    step = endings.ending(
        subject, track, placed, action=model.Action.DELETE, because=model.Because.NOT_DECLARED
    )
    writing.emit(endings.destroying(step))
    return deleting


def _holds_data(
    writing: draft.Draft,
    subject: subjects.Subject,
    track: executions.Track,
    placed: placements.Placement | None,
) -> bool:
    """A session's files are somebody's work, unless its author said what becomes of them or they are gone."""
    if subject.key.kind != "Session" or subject.lifecycle.consents:
        return False
    if subject.spec.get("snapshot") == "on-stop":
        return False
    recorded = subject.recorded.provider if subject.recorded else None
    provider = recorded or (placed.effective if placed else "")
    seen = sightings.of(writing.index, subject, track, provider)
    return seen.sight is not sightings.Sight.MISSING


def _remove_row(writing: draft.Draft, subject: subjects.Subject) -> None:
    """The row goes. What still runs for it is asked to end; once its object is gone, nothing more is destroyed."""
    track = writing.track(subject)
    if subject.key not in writing.held:
        for run in track.open({executions.EXECUTE}):
            writing.cancel(run)
    last = track.last
    finished = last is not None and last.operation == "delete"
    writing.emit(
        model.Step(
            action=model.Action.DELETE,
            subject=subject.key,
            because=model.Because.NOT_DECLARED,
            destructive=not finished,
            project=subject.project,
        )
    )
    _remove_cells(writing, subject)


def _remove_cells(writing: draft.Draft, subject: subjects.Subject) -> None:
    """The matrix runs of an Experiment go with it, unless it is held."""
    if subject.key.kind != "Experiment" or subject.key in writing.held:
        return
    remove_orphans(writing, subject.key, subject.project)


def remove_orphans(writing: draft.Draft, parent: model.Key, project: str | None) -> None:
    """Matrix runs whose Experiment is gone."""
    for key in sorted(writing.index.cells.get(parent, {})):
        for run in writing.index.runs_of(key).open({executions.EXECUTE}):
            writing.cancel(run)
        writing.emit(
            model.Step(
                action=model.Action.DELETE,
                subject=key,
                because=model.Because.PARENT_REMOVED,
                project=project,
                parent=parent.name,
            )
        )
