"""One document, judged twice: by `wbx validate`, and by a real API server that is asked what it would do (dry run)."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import cluster_client
import yaml

from workbenchx.api import problems
from workbenchx.declared import validate

LONG = "x" * 40_000
POOL: tuple[Any, ...] = (
    *(None, True, 0, -1, 7, 1.5, 10**9, "", "1", "a b", "Upper", "a/b", "../a", "a\n", "é", LONG),
    *([], {}, [None], ["a", "a"], {"a": None}, {"A-B": "x"}),
)
"""What may stand where something else should: other types, bounds, and texts that a careless pattern lets pass."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What both say. `fields` are those that `wbx validate` names; `kept` is the object as the server would store it."""

    fields: tuple[str, ...]
    refusal: str
    kept: dict[str, Any] | None


def judge(client: cluster_client.Client, document: dict[str, Any]) -> Verdict:
    """Both verdicts. References to other documents are not judged: they may be applied later."""
    text = yaml.safe_dump(document, allow_unicode=True)
    report = validate.check({"a.yaml": text.encode()}, open_world=True, jobs=1)
    errors = (item for item in report.problems if item.severity == "error")
    fields = tuple(item.field for item in errors)
    namespace = document["metadata"].get("namespace", "")
    try:
        kept = client.call(
            "POST",
            cluster_client.path(document["kind"], namespace),
            content=text.encode(),
            headers={"Content-Type": "application/yaml"},
            params={"fieldValidation": "Strict", "dryRun": "All"},
        )
    except cluster_client.RefusedError as refused:
        return Verdict(fields, refused.message, None)
    return Verdict(fields, "", kept)


def clean(kept: dict[str, Any]) -> bool:
    """Whether what the server would store is valid: it drops what is empty, and writes 2.0 as 2."""
    declared = {name: kept[name] for name in ("apiVersion", "kind", "spec")}
    metadata = {key: kept["metadata"].get(key) for key in ("name", "namespace")}
    declared["metadata"] = {key: value for key, value in metadata.items() if value is not None}
    return problems.of(declared) == []


def places(value: Any, path: str = "spec") -> Iterator[str]:
    """The dotted path of everything below a spec; one item of a list stands for all."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"{path}.{key}"
            yield from places(item, f"{path}.{key}")
    elif isinstance(value, list) and value:
        yield f"{path}.0"
        yield from places(value[0], f"{path}.0")


def values(found: Any) -> tuple[Any, ...]:
    """What is tried at a place: the pool, and what is almost what stands there."""
    if not isinstance(found, str):
        return POOL
    return (
        *POOL,
        found + "\n",
        found + "\u00a0",
        found + "\x0b",
        found.upper(),
        found[:-1],
        f" {found}",
    )


def at(document: Any, path: str) -> Any:
    """The value at a dotted path."""
    for part in path.split("."):
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def names(refusal: str, field: str) -> bool:
    """Whether a refusal names a field, or what it is in; the server writes `credentials[token]` as well."""
    plain, wanted = (text.replace("[", ".").replace("]", "") for text in (refusal, field))
    return (wanted.rpartition(".")[0] or wanted) in plain
