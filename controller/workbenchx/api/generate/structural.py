"""A JSON Schema as a structural schema of Kubernetes (apiextensions v1).

What differs: no $ref, no additionalProperties beside properties, no patternProperties, one type for each value, and no
defaults. The API server would write defaults into the object, and its spec would no longer have the hash of the file;
so a default is said in the description, and left to us.

A pattern that has words for people becomes a CEL rule with these words, where the rule's cost has a low bound: the API
server then says what `wbx validate` says, not a regular expression.
"""

import json
import math
from typing import Any

from workbenchx.api.generate import inline
from workbenchx.api.shapes import rules, scalars

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
    "minProperties",
    "maxProperties",
    "required",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    rules.FIELD,
)
_DEAREST = 4_000_000
"""Less than half of what the API server allows one rule to cost: its estimate is a little dearer than ours."""


def convert(schema: inline.Schema, times: int = 1) -> inline.Schema:
    """The structural form of an inlined schema; `times`: how often it may occur in one object."""
    made = {word: schema[word] for word in _KEPT if word in schema}
    if "const" in schema:
        made["enum"] = [schema["const"]]
    if "default" in schema:
        made["description"] = _with_default(schema)
    if rules.MOVED_TO in schema:
        told = f"Deprecated since {schema[rules.SINCE]}: use {schema[rules.MOVED_TO]}."
        made["description"] = f"{made['description']} {told}"
    if "anyOf" in schema:
        return made | _int_or_string(schema)
    if not isinstance(made.get("type"), str):
        return _of_any_type(made)
    if made["type"] == "string":
        return _text(made, schema.get(rules.HINT), times)
    if made["type"] == "array":
        made["items"] = convert(schema["items"], times * schema.get("maxItems", 1))
    if made["type"] == "object":
        made |= _members(made, schema, times)
    return made


def _with_default(schema: inline.Schema) -> str:
    return f"{schema['description']} Default: {json.dumps(schema['default'])}."


def _of_any_type(made: inline.Schema) -> inline.Schema:
    """A list of types cannot be said. What is neither a list nor a mapping can: no list and no mapping has such a size."""
    types = made.pop("type", None)
    neither = {"minItems": 1, "maxItems": 0, "minProperties": 1, "maxProperties": 0}
    return made | {_ANYTHING: True} | (neither if types else {})


def _text(made: inline.Schema, hint: str | None, times: int) -> inline.Schema:
    if hint is None or _cost(made["pattern"], made["maxLength"]) * times > _DEAREST:
        return made
    rule = rules.cel(rules.matching(made["pattern"]), hint)
    both = rules.all_of(rule, {rules.FIELD: made.get(rules.FIELD, [])})
    return {word: value for word, value in made.items() if word != "pattern"} | both


def _cost(pattern: str, longest: int) -> int:
    """As the API server estimates it: a tenth for each byte of the text, a quarter for each character of the pattern."""
    return math.ceil(longest * 4 / 10) * math.ceil(len(pattern) / 4)


def _int_or_string(schema: inline.Schema) -> inline.Schema:
    """The one union that Kubernetes knows; bounds are put beside it, where each applies to its own type only."""
    options = schema["anyOf"]
    if [option.get("type") for option in options] != ["integer", "string"]:
        raise ValueError(f"only an integer or text can be a union here, not {options}")
    number, text = options
    rule = rules.cel(f"type(self) == int || {rules.matching(text['pattern'])}", schema[rules.HINT])
    plain = [{"type": "integer"}, {"type": "string"}]
    bounds = {word: number[word] for word in ("minimum", "maximum")}
    return {"anyOf": plain, _INT_OR_STRING: True, "maxLength": text["maxLength"], **bounds, **rule}


def _members(made: inline.Schema, schema: inline.Schema, times: int) -> dict[str, Any]:
    if "properties" in schema:
        members: dict[str, Any] = {
            "properties": {
                name: convert(schema["properties"][name], times)
                for name in sorted(schema["properties"])
            }
        }
        return members | ({_ANYTHING: True} if schema.get("additionalProperties") is True else {})
    patterned: dict[str, Any] = schema.get("patternProperties", {})
    values = next(iter(patterned.values()), schema.get("additionalProperties"))
    if not isinstance(values, dict):
        return {_ANYTHING: True}
    inner = convert(values, times * schema.get("maxProperties", 1))
    found = {rules.FIELD: made.get(rules.FIELD, [])}
    wanted = [_names(pattern) for pattern in patterned if _visible(inner)]
    return {"additionalProperties": inner} | (rules.all_of(found, *wanted) if wanted else {})


def _names(pattern: str) -> dict[str, Any]:
    """The rule of a mapping for its keys, which have no schema of their own here."""
    expression = f"self.all(name, name.matches({rules.literal(pattern)}))"
    return rules.cel(expression, f"must have names that are {scalars.KEYS[pattern]}")


def _visible(node: inline.Schema) -> bool:
    """Whether CEL sees a value: not where anything may be, nor a list or mapping of that."""
    inner = node.get("items", node.get("additionalProperties"))
    return _ANYTHING not in node and (inner is None or _visible(inner))
