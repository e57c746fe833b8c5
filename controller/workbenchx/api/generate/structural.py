"""A JSON Schema as a structural schema of Kubernetes (apiextensions v1).

What differs: no $ref, no additionalProperties beside properties, no patternProperties, one type for each value, and no
defaults. The API server would write defaults into the object, and its spec would no longer have the hash of the file;
so a default is said in the description, and left to us.
"""

import json
from typing import Any

from workbenchx.api.generate import inline

_ANYTHING = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_KEPT = (
    "description",
    "type",
    "format",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
    "required",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-validations",
)


def convert(schema: inline.Schema) -> inline.Schema:
    """The structural form of an inlined schema."""
    made = {word: schema[word] for word in _KEPT if word in schema}
    if "const" in schema:
        made["enum"] = [schema["const"]]
    if "default" in schema:
        made["description"] = _with_default(schema)
    if "anyOf" in schema:
        return made | _int_or_string(schema["anyOf"])
    if not isinstance(made.get("type"), str):
        made.pop("type", None)
        return made | {_ANYTHING: True}
    if made["type"] == "array":
        made["items"] = convert(schema["items"])
    if made["type"] == "object":
        made |= _members(schema)
    return made


def _with_default(schema: inline.Schema) -> str:
    return f"{schema['description']} Default: {json.dumps(schema['default'])}."


def _int_or_string(options: list[inline.Schema]) -> inline.Schema:
    """The one union that Kubernetes knows; bounds of the text are put beside it, as there they apply to text only."""
    if [option.get("type") for option in options] != ["integer", "string"]:
        raise ValueError(f"only an integer or text can be a union here, not {options}")
    bounds: inline.Schema = {
        word: options[1][word] for word in ("pattern", "maxLength") if word in options[1]
    }
    plain = [{"type": "integer"}, {"type": "string"}]
    return {"anyOf": plain, _INT_OR_STRING: True, **bounds}


def _members(schema: inline.Schema) -> dict[str, Any]:
    if "properties" in schema:
        return {
            "properties": {
                name: convert(schema["properties"][name]) for name in sorted(schema["properties"])
            }
        }
    values = list(schema.get("patternProperties", {}).values())
    more = schema.get("additionalProperties")
    if not values and isinstance(more, dict):
        values = [more]
    return {"additionalProperties": convert(values[0])} if values else {_ANYTHING: True}
