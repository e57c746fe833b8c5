"""Model: a row; versions that come from a run are resolved to an artifact and its sha256, and recorded."""

from collections.abc import Mapping
from typing import Any

from workbenchx.api import reasons, references
from workbenchx.planner import diff, draft, gates, model, subjects, verdicts

_RESOLVED = ("version", "artifact", "sha256", "run_id", "from_run", "metric")


def settle(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict:
    """Write the row, resolve what has become known. A version once resolved stays until another one is known."""
    writing.record(subject)
    known = _recorded(subject)
    versions: list[dict[str, Any]] = []
    lost = refusal = gates.missing(writing, subject)
    for written in subject.spec.get("versions") or ():
        found = lost or _resolve(writing, subject, written)
        if isinstance(found, verdicts.Refusal):
            old = known.get(str(written.get("version")))
            if old is None or old.get("from_run") != written.get("fromRun"):
                refusal = refusal or found
                continue
            found = dict(old)
        versions.append(found)
    if not draft.row_differs(subject):
        _note(writing, subject, known, versions)
    return _conclude(writing, subject, versions, refusal)


def _conclude(
    writing: draft.Draft,
    subject: subjects.Subject,
    versions: list[dict[str, Any]],
    refusal: verdicts.Refusal | None,
) -> model.Verdict:
    facts = {"versions": versions}
    writing.outputs[subject.key] = {item["version"]: item["sha256"] for item in versions}
    wrong = refusal or _mismatch(subject, versions) or gates.waiting(writing, subject)
    if wrong:
        writing.wait(subject.key, wrong)
        return verdicts.refused(subject.key, wrong, facts=facts)
    return verdicts.ready(subject.key, facts=facts)


def _recorded(subject: subjects.Subject) -> Mapping[str, Mapping[str, Any]]:
    known = subject.facts.get("versions") or ()
    return {str(item.get("version")): item for item in known if isinstance(item, Mapping)}


def _note(
    writing: draft.Draft,
    subject: subjects.Subject,
    known: Mapping[str, Mapping[str, Any]],
    versions: list[dict[str, Any]],
) -> None:
    """The step that records what was found out: only for what comes from a run."""
    before = {name: dict(item) for name, item in known.items()}
    after = {item["version"]: item for item in versions}
    learned = {name for name, item in after.items() if item["run_id"] and before.get(name) != item}
    if not learned:
        return
    changes = diff.fields(
        {name: before[name] for name in learned if name in before},
        {name: after[name] for name in learned},
        root="versions",
    )
    writing.emit(
        model.Step(
            action=model.Action.UPDATE,
            subject=subject.key,
            because=model.Because.RESOLVED,
            project=subject.project,
            fields=changes,
        )
    )


def _resolve(
    writing: draft.Draft, subject: subjects.Subject, written: Mapping[str, Any]
) -> dict[str, Any] | verdicts.Refusal:
    origin = written.get("fromRun")
    if origin is None:
        artifact = written.get("artifact")
        sha256 = written.get("sha256") or str(artifact).partition("artifact:")[2] or None
        return _version(written, artifact=artifact, sha256=sha256)
    name = references.best_of(str(origin))
    if name is None:
        return _from_run(writing, written, str(origin))
    return _from_best(writing, written, model.Key("Experiment", subject.key.namespace, name))


def _from_run(
    writing: draft.Draft, written: Mapping[str, Any], run_id: str
) -> dict[str, Any] | verdicts.Refusal:
    run = writing.index.runs_by_id.get(run_id)
    if run is None or run.state.open:
        message = f"fromRun: run {run_id} is not known or has not ended"
        return verdicts.Refusal(reasons.Reason.WAITING_FOR_RUN, message)
    if run.state is not model.ExecutionState.SUCCEEDED:
        message = f"fromRun: run {run_id} ended as {run.state.value}"
        return verdicts.Refusal(reasons.Reason.ARTIFACT_MISSING, message)
    return _pick(written, run.outputs, run_id, None)


def _from_best(
    writing: draft.Draft, written: Mapping[str, Any], experiment: model.Key
) -> dict[str, Any] | verdicts.Refusal:
    standing = writing.standings.get(experiment)
    best = standing.facts.get("best") if standing else None
    if best:
        return _pick(written, best["outputs"], best["run_id"], best["metric"])
    if standing is not None and standing.state in {"Succeeded", "Failed"}:
        message = f"fromRun: no run of {experiment} succeeded and reported its metric"
        return verdicts.Refusal(reasons.Reason.ARTIFACT_MISSING, message)
    message = f"fromRun: {experiment} has not ended yet"
    return verdicts.Refusal(reasons.Reason.WAITING_FOR_RUN, message)


def _pick(
    written: Mapping[str, Any], outputs: Mapping[str, str], run_id: str, metric: float | None
) -> dict[str, Any] | verdicts.Refusal:
    """The output named by `artifact`, else the only one, else the one called "model"."""
    name = written.get("artifact")
    if name is None:
        name = next(iter(outputs)) if len(outputs) == 1 else "model"
    if name not in outputs:
        message = f'fromRun: run {run_id} has left no output called "{name}"'
        return verdicts.Refusal(reasons.Reason.ARTIFACT_MISSING, message)
    return _version(written, artifact=name, sha256=outputs[name], run_id=run_id, metric=metric)


def _version(written: Mapping[str, Any], **found: Any) -> dict[str, Any]:
    found |= {"version": str(written.get("version")), "from_run": written.get("fromRun")}
    return {name: found.get(name) for name in _RESOLVED}


def _mismatch(subject: subjects.Subject, versions: list[dict[str, Any]]) -> verdicts.Refusal | None:
    found = {item["version"]: item["sha256"] for item in versions}
    for written in subject.spec.get("versions") or ():
        name = str(written.get("version"))
        if written.get("sha256") and name in found and found[name] != written["sha256"]:
            message = f'version "{name}": the artifact does not have the declared sha256'
            return verdicts.Refusal(reasons.Reason.DIGEST_MISMATCH, message)
    return None
