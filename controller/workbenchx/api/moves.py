"""Fields that have another name or place now. The old ones are read as the new ones for as long as the version of the API lasts.

A shape says so itself: `json_schema_extra=rules.moved("spec.timeout", since="0.2")` on the old field, which stays optional. From
that come `deprecated` in the editor's schema, a sentence in the CRD, a warning of `wbx validate`, and FixBot's rule
migrate-field. A field of an item of a list cannot say it.
"""

import functools
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

import pydantic

from workbenchx.api import registry
from workbenchx.api.shapes import rules

Path = tuple[str, ...]


class Move(NamedTuple):
    """A field that moved, and since which release. Both paths begin with "spec"."""

    old: Path
    new: Path
    since: str


def of(kind: str) -> tuple[Move, ...]:
    """The moved fields of a kind."""
    return _of_model(registry.KINDS[kind].spec_model)


def used(kind: str, spec: Mapping[str, Any]) -> list[Move]:
    """Those of them that a spec still writes."""
    return [move for move in of(kind) if at(spec, move.old) is not None]


def current(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    """A valid spec with every moved field at its new place. Where both are written, the new one counts."""
    for move in used(kind, spec):
        value = at(spec, move.old)
        spec = _without(spec, move.old[1:])
        if at(spec, move.new) is None:
            spec = _with(spec, move.new[1:], value)
    return spec


def at(spec: Any, path: Path) -> Any:
    """The value of a field of a spec; None: it is not written."""
    here = spec
    for part in path[1:]:
        here = here.get(part) if isinstance(here, Mapping) else None
    return here


@functools.cache
def _of_model(shape: type[pydantic.BaseModel]) -> tuple[Move, ...]:
    return tuple(_found(shape, ("spec",)))


def _found(shape: type[pydantic.BaseModel], path: Path) -> Iterator[Move]:
    for name, field in shape.model_fields.items():
        here = (*path, field.alias or name)
        extra = field.json_schema_extra
        if isinstance(extra, Mapping) and rules.MOVED_TO in extra:
            yield Move(here, tuple(str(extra[rules.MOVED_TO]).split(".")), str(extra[rules.SINCE]))
        for below in _shapes(field.annotation):
            yield from _found(below, here)


def _shapes(annotation: Any) -> Iterator[type[pydantic.BaseModel]]:
    """The shapes that a field may hold by itself, not as items."""
    origin = typing.get_origin(annotation)
    if origin in {typing.Union, types.UnionType, Annotated}:
        for part in typing.get_args(annotation):
            yield from _shapes(part)
    elif isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        yield annotation


def _with(spec: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """A copy in which the field has the value."""
    if len(path) == 1:
        return {**spec, path[0]: value}
    return {**spec, path[0]: _with(spec.get(path[0]) or {}, path[1:], value)}


def _without(spec: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """A copy without the field, and without a mapping that had nothing else."""
    kept = {name: value for name, value in spec.items() if name != path[0]}
    below = _without(spec[path[0]], path[1:]) if len(path) > 1 else {}
    return {**kept, path[0]: below} if below else kept
