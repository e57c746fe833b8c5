"""A document that says now what the object is already: drift that a commit adopted. Nothing is made anew for it."""

from collections.abc import Mapping

from workbenchx.api import reasons, states
from workbenchx.planner import cases, diff, executions, model, sightings, verdicts

_SHOWN = {
    "spec.resources.cpu": "cpu",
    "spec.resources.memory": "memory",
    "spec.resources.gpu": "gpu",
    "spec.ports": "ports",
    "spec.network.egress": "egress",
}


def adopted(case: cases.Case, blueprint: cases.Blueprint) -> model.Verdict | None:
    """The row follows, where only fields changed that the provider shows, and it shows them as declared now."""
    recorded = case.subject.recorded
    made_from = case.subject.facts.get("deployed")
    if recorded is None or not isinstance(made_from, Mapping):
        return None
    if made_from.get("hash") in {None, blueprint.hash} or not _last_went_well(case):
        return None
    changes = diff.fields(recorded.spec, case.subject.spec)
    names = {_SHOWN.get(change.path.partition("[")[0]) for change in changes}
    if not names or not names <= case.sighting.fields.keys():
        return None
    if sightings.drift(blueprint.owned, case.sighting.fields):
        return None
    if any(made_from.get(name) != mark for name, mark in blueprint.marks.items()):
        return None
    case.writing.record(case.subject)
    facts = {"deployed": {"hash": blueprint.hash, **blueprint.marks}}
    return verdicts.of(
        case.subject.key, states.State.RUNNING, reasons.Reason.READY, ready=True, facts=facts
    )


def _last_went_well(case: cases.Case) -> bool:
    newest = case.track.latest(executions.BRINGING_UP)
    return newest is None or newest.state is model.ExecutionState.SUCCEEDED
