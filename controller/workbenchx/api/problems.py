"""What is wrong with a document, in words that say what would be right.

One list of all problems, each with the path of the field, so that whoever knows the file can add line and column.
Nothing here quotes a value at a place where people paste secrets.
"""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

import pydantic
from pydantic_core import ErrorDetails

from workbenchx.api import meta, registry

_TYPES = {
    "string_type": "text (put it in quotes)",
    "invalid_key": "a key of text (put the key in quotes)",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least {}"),
    "less_than_equal": ("le", "at most {}"),
    "string_too_short": ("min_length", "at least {} characters long"),
    "string_too_long": ("max_length", "at most {} characters long"),
    "too_short": ("min_length", "a list of at least {} items"),
    "too_long": ("max_length", "a list of at most {} items"),
}
_SERVER_FIELDS = frozenset(
    {
        "creationTimestamp",
        "deletionTimestamp",
        "finalizers",
        "generation",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "status",
        "uid",
    }
)


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """One problem. `path` leads to the field from the document's root; `type` names the rule and never changes."""

    path: tuple[str | int, ...]
    type: str
    text: str


def of(document: Mapping[str, Any]) -> list[Problem]:
    """Everything that is wrong with a document of ours, envelope and spec; empty: it is valid."""
    found = _of_model(meta.Document, document, ())
    kind = registry.KINDS.get(str(document.get("kind")))
    spec = document.get("spec")
    if kind is not None and isinstance(spec, dict):
        found += of_spec(kind, spec)
    return found


def of_spec(kind: registry.Kind, spec: Any) -> list[Problem]:
    """Everything that is wrong with a spec; paths start with "spec"."""
    return _of_model(kind.spec_model, spec, ("spec",))


def _of_model(
    model: type[pydantic.BaseModel], value: Any, root: tuple[str | int, ...]
) -> list[Problem]:
    try:
        model.__pydantic_validator__.validate_python(value)
    except pydantic.ValidationError as error:
        details = error.errors(include_url=False)
        return [_problem(model, item, root) for item in details]
    return []


def _problem(
    model: type[pydantic.BaseModel], error: ErrorDetails, root: tuple[str | int, ...]
) -> Problem:
    path = tuple(part for part in error["loc"] if part != "[key]")
    return Problem((*root, *path), error["type"], _text(model, error, path))


def _text(model: type[pydantic.BaseModel], error: ErrorDetails, path: tuple[str | int, ...]) -> str:
    type_, context = error["type"], error.get("ctx", {})
    if type_ == "extra_forbidden":
        return _unknown(str(path[-1]), known_fields(model, path[:-1]))
    if type_ == "missing":
        return "is missing (it is required)"
    if type_ == "literal_error":
        return f"must be {context['expected']}{_shown(error)}".replace("'", '"')
    if type_ in _TYPES:
        return f"must be {_TYPES[type_]}{_shown(error)}"
    if type_ in _BOUNDS:
        name, words = _BOUNDS[type_]
        return f"must be {words.format(context[name])}"
    return error["msg"]


def _shown(error: ErrorDetails) -> str:
    """The value, if it is short and plain. Text is not shown: it may be a secret at the wrong place."""
    value = error.get("input")
    if value is None:
        return ", not empty (write a value, or remove the field)"
    if isinstance(value, bool):
        return f", not {str(value).lower()}"
    if isinstance(value, int | float):
        return f", not {value}"
    if isinstance(value, str):
        return (
            f', not "{value}"'
            if error["type"] == "literal_error" and len(value) < 40
            else ", not text"
        )
    return ", not a list" if isinstance(value, list) else ", not a mapping"


def _unknown(name: str, known: tuple[str, ...]) -> str:
    if name in _SERVER_FIELDS and name not in known:
        return "is set by the API server (remove it)"
    close = difflib.get_close_matches(name, known, 1, 0.6)
    if close:
        return f'is not a field here (did you mean "{close[0]}"?)'
    return f"is not a field here (known: {', '.join(known)})" if known else "is not a field here"


def known_fields(model: type[pydantic.BaseModel], path: tuple[str | int, ...]) -> tuple[str, ...]:
    """The YAML names of the fields of the mapping at `path` inside a model, sorted."""
    here: type[pydantic.BaseModel] | None = model
    for part in path:
        if here is not None and isinstance(part, str):
            here = _child(here, part)
    if here is None:
        return ()
    return tuple(sorted(field.alias or name for name, field in here.model_fields.items()))


def _child(model: type[pydantic.BaseModel], name: str) -> type[pydantic.BaseModel] | None:
    """The model of a field's value, or of the items of its list; the same model for a key of a mapping."""
    for attribute, field in model.model_fields.items():
        if name in {field.alias, attribute}:
            return _model_in(field.annotation)
    return model


def _model_in(annotation: Any) -> type[pydantic.BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _model_in(part)
        if found is not None:
            return found
    return None
