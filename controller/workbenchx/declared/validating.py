"""One document of ours: everything that its kind says about it, and what no model can say."""

from collections.abc import Iterator, Mapping
from typing import Any

from workbenchx.api import identity, meta, moves, problems, registry
from workbenchx.declared import placing, plain, problem, secrets

_AT = {"missing": "parent", "extra_forbidden": "key"}
_QUOTED = ', not "'


def valid(body: Mapping[str, Any]) -> bool:
    """Whether envelope and spec keep every rule. The quick answer; `flaws` is the long one."""
    try:
        meta.Document.__pydantic_validator__.validate_python(body)
        registry.KINDS[body["kind"]].spec_model.__pydantic_validator__.validate_python(body["spec"])
    except ValueError:
        return False
    return True


def flaws(body: Mapping[str, Any], places: placing.Places, offset: int) -> list[problem.Flaw]:
    """Every rule that the document breaks."""
    found: dict[tuple[tuple[str | int, ...], str], problem.Flaw] = {}
    for item in problems.of(body):
        if item.type != "namespace":
            flaw = _flaw(item, body, places, offset)
            found.setdefault((flaw.path, flaw.text), flaw)
    return [*found.values(), *_of_namespace(body)]


def key(body: Mapping[str, Any]) -> identity.Key | None:
    """The identity, if it can be relied on."""
    metadata = body.get("metadata")
    try:
        good = meta.Metadata.model_validate(
            {name: metadata[name] for name in ("name", "namespace") if name in metadata}
            if isinstance(metadata, Mapping)
            else metadata
        )
    except ValueError:
        return None
    kind = registry.KINDS[body["kind"]]
    if kind.cluster_scoped != (good.namespace is None):
        return None
    return identity.Key(kind.kind, good.namespace or "", good.name)


def subject(body: Mapping[str, Any]) -> str:
    """Kind/name as far as it is known."""
    metadata = body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    shown = isinstance(name, str) and len(name) <= 253 and "\n" not in name
    return f"{body['kind']}/{name}" if shown else str(body["kind"])


def secret_flaws(spec: Mapping[str, Any], project: str | None) -> Iterator[problem.Flaw]:
    """Inline secrets, and references to secrets of another project."""
    yield from secrets.flaws(spec)
    if project is not None:
        prefix = f"WBX_SECRET_{project.upper().replace('-', '_')}_"
        yield from _of_others(spec, ("spec",), prefix)


def moved_flaws(kind: str, spec: Mapping[str, Any]) -> Iterator[problem.Flaw]:
    """Warnings of fields that have another name or place now."""
    for move in moves.used(kind, spec):
        text = f"is deprecated since {move.since}: it is {'.'.join(move.new)} now"
        hint = "`wbx fix` moves it"
        yield problem.Flaw(move.old, text, hint, problem.Severity.WARNING.value, at="key")


def _of_namespace(body: Mapping[str, Any]) -> Iterator[problem.Flaw]:
    """Whether a namespace is there is told even if the rest of the metadata is wrong."""
    metadata, kind = body.get("metadata"), registry.KINDS[body["kind"]]
    if not isinstance(metadata, Mapping):
        return
    path = ("metadata", "namespace")
    if kind.cluster_scoped and "namespace" in metadata:
        text = f"is set, but {kind.kind} is cluster-scoped"
        yield problem.Flaw(path, text, "remove it", at="key")
    if not kind.cluster_scoped and "namespace" not in metadata:
        text = f"is missing, and {kind.kind} is namespaced"
        yield problem.Flaw(path, text, "add one of the project's namespaces", at="parent")


def _of_others(value: Any, path: tuple[str | int, ...], prefix: str) -> Iterator[problem.Flaw]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _of_others(item, (*path, index), prefix)
    if not isinstance(value, Mapping):
        return
    for name, item in value.items():
        here = (*path, name)
        if name != "env" or not isinstance(item, str):
            yield from _of_others(item, here, prefix)
        elif item.startswith("WBX_SECRET_") and not item.startswith(prefix):
            yield problem.Flaw(here, "is not a secret of its project", f"begin with {prefix}")


def _flaw(
    item: problems.Problem, body: Mapping[str, Any], places: placing.Places, offset: int
) -> problem.Flaw:
    path, value = _existing(item.path, body, missing=item.type == "missing")
    text = item.text
    if secrets.is_secret(value) or secrets.on_secret_path(path):
        text = text.partition(_QUOTED)[0]
    text, hint = _split(text)
    at = _AT.get(item.type, "value")
    if text.startswith("must be text") and isinstance(value, bool | int | float):
        written = places.written(path, offset=offset)
        text = text.replace(" (put it in quotes)", "")
        hint = plain.doubt(written) or f'write "{written}" in quotes'
    return problem.Flaw(path, text, hint, at=at)


def _existing(
    path: tuple[str | int, ...], body: Any, *, missing: bool
) -> tuple[tuple[str | int, ...], Any]:
    """The path without what pydantic puts in between (the branch of a union), and the value there."""
    kept: list[str | int] = []
    here = body
    for part in path[:-1] if missing else path:
        found = _inside(here, part)
        if found:
            here = found[0]
            kept.append(part)
    return (*kept, *path[-1:] * missing), here


def _inside(here: Any, part: str | int) -> tuple[Any] | None:
    """The value at `part`, boxed; None: there is none."""
    if isinstance(here, Mapping):
        return (here[part],) if part in here else None
    if isinstance(here, list) and isinstance(part, int) and part < len(here):
        return (here[part],)
    return None


def _split(text: str) -> tuple[str, str]:
    """Problem and hint of "problem (hint)"."""
    if text.endswith(")") and " (" in text:
        head, _, tail = text[:-1].partition(" (")
        return head, tail
    return text, ""
