"""One kind's JSON Schema, whole and without references or noise."""

from typing import Any

import pydantic

_NOISE = frozenset({"title", "$defs"})
Schema = dict[str, Any]


def schema(model: type[pydantic.BaseModel]) -> Schema:
    """The model's JSON Schema (draft 2020-12): every $ref replaced by what it names, no titles, no null defaults."""
    made = model.model_json_schema()
    whole: Schema = _resolve(made, made.get("$defs", {}), names=False)
    return whole


def _resolve(node: Any, definitions: Schema, *, names: bool) -> Any:
    """`names`: the keys of this mapping are names of fields, not words of JSON Schema."""
    if isinstance(node, list):
        return [_resolve(item, definitions, names=False) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node and not names:
        target = definitions[node["$ref"].removeprefix("#/$defs/")]
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return _resolve({**target, **beside}, definitions, names=False)
    return {
        key: _resolve(value, definitions, names=key in {"properties", "patternProperties"})
        for key, value in node.items()
        if names or not (key in _NOISE or (key == "default" and value is None))
    }
