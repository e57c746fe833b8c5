"""One file into documents and problems."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from workbenchx.api import attached, canonical, identity, moves, references
from workbenchx.declared import (
    classify,
    document,
    parsing,
    placing,
    problem,
    secrets,
    validating,
)

_ERROR = problem.Severity.ERROR.value
_WITH_OUTPUTS = frozenset({"RunnerJob", "Experiment"})
_INVALID_HASH = ""


class File(NamedTuple):
    """What one file declares. `broken`: something in it could not be read, so it may declare more than this."""

    documents: list[document.Document]
    problems: list[problem.Problem]
    broken: bool


def file(path: str, data: bytes) -> File:
    """Read and check one file. Never raises for anything that stands in it."""
    parsed = parsing.read(data)
    documents: list[document.Document] = []
    problems: list[problem.Problem] = []
    broken = bool(parsed.faults)
    places = placing.Places(path, data) if broken else None
    if places is not None:
        problems.extend(places.of_fault(fault) for fault in parsed.faults)
    watched = secrets.suspicious(data)
    for raw in parsed.documents:
        read = _quickly(path, raw, watched=watched)
        if read is None:
            places = places or placing.Places(path, data)
            read, found = _carefully(places, raw)
            problems.extend(found)
            broken = broken or (read is None and any(item.severity == _ERROR for item in found))
        if read is not None:
            documents.append(read)
    return File(documents, problems, broken)


def _quickly(path: str, raw: parsing.Raw, *, watched: bool) -> document.Document | None:
    """The document, if nothing is wrong with it."""
    body = raw.body
    if raw.faults or classify.foreign(body) is not None or not validating.valid(body):
        return None
    spec, metadata = body["spec"], body["metadata"]
    if moves.used(body["kind"], spec):
        return None
    if watched and any(validating.secret_flaws(spec, spec.get("project"))):
        return None
    key = identity.Key(body["kind"], metadata.get("namespace", ""), metadata["name"])
    return _document(key, spec, path, raw)


def _carefully(
    places: placing.Places, raw: parsing.Raw
) -> tuple[document.Document | None, list[problem.Problem]]:
    """The document (None: it is not ours, or its identity is unknown), and all that is wrong with it."""
    foreign = classify.foreign(raw.body)
    if foreign is not None:
        return None, places.of_flaws(foreign, subject="", offset=raw.offset)
    subject = validating.subject(raw.body)
    faults = [places.of_fault(fault, subject=subject) for fault in raw.faults]
    found = places.of_flaws(_flaws(raw, places), subject=subject, offset=raw.offset)
    problems = _merged(faults, found)
    key = validating.key(raw.body)
    errors = [item.message for item in sorted(problems) if item.severity == _ERROR]
    if key is None:
        return None, problems
    if not errors:
        spec = moves.current(key.kind, raw.body["spec"])
        return _document(key, spec, places.path, raw), problems
    return _invalid(key, raw, places.path, errors), problems


def _merged(faults: list[problem.Problem], flaws: list[problem.Problem]) -> list[problem.Problem]:
    """Both, but one place is told once: an error of the text before one of the fields, and that before a warning."""
    errors = {(item.line, item.column) for item in faults if item.severity == _ERROR}
    told = errors | {(item.line, item.column) for item in flaws}
    kept = [
        item for item in faults if item.severity == _ERROR or (item.line, item.column) not in told
    ]
    return kept + [item for item in flaws if (item.line, item.column) not in errors]


def _flaws(raw: parsing.Raw, places: placing.Places) -> list[problem.Flaw]:
    flaws = validating.flaws(raw.body, places, raw.offset)
    spec = raw.body.get("spec")
    if isinstance(spec, Mapping):
        project = spec.get("project")
        known = project if isinstance(project, str) else None
        flaws += validating.secret_flaws(spec, known)
        flaws += validating.moved_flaws(raw.body["kind"], spec)
    return flaws


def _document(
    key: identity.Key, spec: Mapping[str, Any], path: str, raw: parsing.Raw
) -> document.Document:
    text = canonical.text(spec)
    return document.Document(
        key.kind,
        key.namespace,
        key.name,
        spec,
        spec.get("project"),
        path,
        raw.line,
        canonical.digest_of(text),
        tuple(references.of(key.kind, key.namespace, spec, name=key.name)),
        None,
        raw.offset,
        _outputs(key, spec),
        _wants(key, spec),
        tuple(spec.get("namespaces") or (key.name,)) if key.kind == "Project" else (),
        spec.get("default") is True,
        text,
        attached.of(raw.body["metadata"]),
    )


def _invalid(
    key: identity.Key, raw: parsing.Raw, path: str, errors: list[str]
) -> document.Document:
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    spec = raw.body.get("spec")
    project = spec.get("project") if isinstance(spec, Mapping) else None
    return document.Document(
        key.kind,
        key.namespace,
        key.name,
        {},
        project if isinstance(project, str) else None,
        path,
        raw.line,
        _INVALID_HASH,
        problem=f"{path}:{raw.line}: {errors[0]}{more}",
        offset=raw.offset,
    )


def _outputs(key: identity.Key, spec: Mapping[str, Any]) -> tuple[str, ...]:
    if key.kind not in _WITH_OUTPUTS:
        return ()
    return tuple(item["name"] for item in spec.get("outputs", ()))


def _wants(key: identity.Key, spec: Mapping[str, Any]) -> tuple[document.Want, ...]:
    """The outputs that a valid spec takes from other resources."""
    wants = []
    for index, item in enumerate(spec.get("inputs", ())):
        kind, name, *output = item["from"].split("/")
        if output:
            target = identity.Key(kind, key.namespace, name)
            wants.append(document.Want(("spec", "inputs", index, "from"), target, output[0]))
    if key.kind == "Model":
        wants += _lineage(key, spec)
    return tuple(wants)


def _lineage(key: identity.Key, spec: Mapping[str, Any]) -> list[document.Want]:
    """The outputs that a model's versions name."""
    wants = []
    for index, item in enumerate(spec["versions"]):
        experiment = references.best_of(item.get("fromRun", ""))
        artifact = item.get("artifact", "")
        if experiment and artifact and ":" not in artifact:
            target = identity.Key("Experiment", key.namespace, experiment)
            path = ("spec", "versions", index, "artifact")
            wants.append(document.Want(path, target, artifact))
    return wants
