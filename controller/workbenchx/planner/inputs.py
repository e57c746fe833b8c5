"""Where the files under `inputs/` come from, down to the sha256."""

from collections.abc import Mapping
from typing import Any

from workbenchx.api import reasons, references
from workbenchx.planner import draft, model, verdicts

Resolved = list[dict[str, Any]]


def resolve(
    writing: draft.Draft, namespace: str, project: str | None, spec: Mapping[str, Any]
) -> Resolved | verdicts.Refusal:
    """Each input as the order names it, or the first one that is not there yet."""
    resolved: Resolved = []
    for item in spec.get("inputs") or ():
        found = _one(writing, namespace, project, item)
        if isinstance(found, verdicts.Refusal):
            return found
        resolved.append({"name": item["name"], "path": f"inputs/{item['name']}", **found})
    return resolved


def _one(
    writing: draft.Draft, namespace: str, project: str | None, item: Mapping[str, Any]
) -> dict[str, Any] | verdicts.Refusal:
    kind, _, rest = str(item["from"]).partition("/")
    name, _, output = rest.partition("/")
    key = references.key(kind, namespace, name)
    inside = item.get("path")
    if kind == "Dataset":
        return _dataset(writing, key, project, inside)
    found = _model(writing, key) if kind == "Model" else _output(writing, key, output)
    if isinstance(found, verdicts.Refusal):
        return found
    return {"sha256": found} | ({"member": inside} if inside else {})


def _dataset(
    writing: draft.Draft, key: model.Key, project: str | None, inside: str | None
) -> dict[str, Any] | verdicts.Refusal:
    subject = writing.index.resources[key]
    scheme, _, rest = str(subject.spec.get("uri") or "").partition(":")
    checked = subject.spec.get("sha256")
    expected = {"expected_sha256": checked} if checked else {}
    if scheme == "artifact":
        return {"sha256": rest} | ({"member": inside} if inside else {})
    if scheme == "repo":
        if writing.index.world.code.get(project or "") is None:
            message = f"{key} lies in the code of Project/{project}, of which there is no snapshot"
            return verdicts.Refusal(reasons.Reason.CODE_MISSING, message)
        member = rest.strip("/") + (f"/{inside}" if inside else "")
        return {"member": member, **expected}
    return {"uri": subject.spec.get("uri"), **expected}


def _model(writing: draft.Draft, key: model.Key) -> str | verdicts.Refusal:
    """The bytes of its newest version, unless they are not the declared ones."""
    standing = writing.standings.get(key)
    if standing is not None and standing.reason == reasons.Reason.DIGEST_MISMATCH:
        message = f"{key} is not Ready: {standing.message}"
        return verdicts.Refusal(reasons.Reason.DEPENDENCY_NOT_READY, message)
    outputs = writing.outputs.get(key)
    if not outputs:
        return _unready(writing, key, f"{key} has no resolved version yet")
    return list(outputs.values())[-1]


def _output(writing: draft.Draft, key: model.Key, name: str) -> str | verdicts.Refusal:
    """The bytes that the current version of a job (or the best run of an experiment) left."""
    outputs = writing.outputs.get(key)
    if outputs is None:
        return _unready(writing, key, f"{key}/{name} is made by a run that has not ended yet")
    if name not in outputs:
        message = f'{key} has left no output called "{name}"'
        return verdicts.Refusal(reasons.Reason.REFERENCE_MISSING, message)
    return outputs[name]


_ENDED = frozenset({"Failed", "Cancelled"})


def _unready(writing: draft.Draft, key: model.Key, message: str) -> verdicts.Refusal:
    standing = writing.standings.get(key)
    if standing is not None and standing.state in _ENDED:
        message = f"{key} ended without it: {standing.reason}"
        return verdicts.Refusal(reasons.Reason.DEPENDENCY_NOT_READY, message)
    return verdicts.Refusal(reasons.Reason.WAITING_FOR_RUN, message)
