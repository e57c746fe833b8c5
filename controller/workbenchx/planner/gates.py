"""What must hold before a resource is Ready, or before something is started for it."""

from workbenchx.api import reasons, references
from workbenchx.planner import draft, model, subjects, verdicts

_EXECUTABLE = frozenset({"Session", "RunnerJob", "Experiment", "ExperimentRun", "AppDeployment"})
_PLACED = frozenset({"runtime", "provider"})
_ORDERING = frozenset({"order", "app", "model", "runtime", "provider"})


def missing(writing: draft.Draft, subject: subjects.Subject) -> verdicts.Refusal | None:
    """The first reference that leads nowhere. Runtime and provider of what runs are judged by `placements`."""
    placed = subject.key.kind in _EXECUTABLE
    for reference in subject.references:
        if reference.optional or (placed and reference.note in _PLACED):
            continue
        if not writing.in_force(reference.target):
            message = f"{spelled(reference)}: {reference.target} is not declared"
            return verdicts.Refusal(reasons.Reason.REFERENCE_MISSING, message)
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
