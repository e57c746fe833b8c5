"""What must hold before a resource is Ready, or before something is started for it."""

from workbenchx.api import reasons, references
from workbenchx.planner import draft, model, subjects, verdicts

_EXECUTABLE = frozenset({"Session", "RunnerJob", "Experiment", "ExperimentRun", "AppDeployment"})
_PLACED = frozenset({"runtime", "provider"})
_ORDERING = frozenset({"order", "app", "model", "runtime", "provider"})


def missing(writing: draft.Draft, subject: subjects.Subject) -> verdicts.Refusal | None:
    """The first reference that leads nowhere or where it may not. Runtime and provider of what runs are judged by `placements`."""
    placed = subject.key.kind in _EXECUTABLE
    for reference in subject.references:
        if reference.optional or (placed and reference.note in _PLACED):
            continue
        if not writing.in_force(reference.target):
            message = f"{spelled(reference)}: {reference.target} is not declared"
            return verdicts.Refusal(reasons.Reason.REFERENCE_MISSING, message)
    return _outside(writing, subject)


def _outside(writing: draft.Draft, subject: subjects.Subject) -> verdicts.Refusal | None:
    """The borders of its project: who may write in a namespace may not thereby spend another project's money or secrets."""
    project, namespace = writing.index.project(subject.project), subject.key.namespace
    if project is None or not namespace:
        return None
    if namespace not in (project.spec.get("namespaces") or (project.key.name,)):
        message = f'metadata.namespace: "{namespace}" is not a namespace of {project.key}'
        return verdicts.Refusal(reasons.Reason.OUTSIDE_PROJECT, message)
    for reference in subject.references:
        if not reference.target.namespace:
            continue
        target = writing.index.resources.get(reference.target)
        if target is None or target.project is None:
            continue
        if target.project != subject.project:
            message = f"{spelled(reference)}: {target.key} belongs to Project/{target.project}"
            return verdicts.Refusal(reasons.Reason.OUTSIDE_PROJECT, message)
    return None


def waiting(writing: draft.Draft, subject: subjects.Subject) -> verdicts.Refusal | None:
    """The first thing that must be Ready first and is not."""
    placed = subject.key.kind in _EXECUTABLE
    for reference in subject.references:
        if placed and reference.note in _PLACED:
            continue
        orders = reference.note in _ORDERING or reference.target.kind == "Dataset"
        if orders and not reference.optional and not ready(writing, reference.target):
            message = f"{spelled(reference)}: {reference.target} is not Ready"
            return verdicts.Refusal(reasons.Reason.DEPENDENCY_NOT_READY, message)
    return None


def ready(writing: draft.Draft, key: model.Key) -> bool:
    """Whether another resource is Ready, as of this plan."""
    standing = writing.standings.get(key)
    return standing is not None and standing.ready


def spelled(reference: references.Reference) -> str:
    """The field of a reference as people write it."""
    text = ""
    for part in reference.path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")
