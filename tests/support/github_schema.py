"""GitHub's published description of its REST API and webhooks (tests/fixtures/github), as a judge and as a filler of answers."""

import functools
import json
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import jsonschema

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures" / "github"
_NOTHING: Any = object()
_FORMATS = {
    "date-time": "2026-01-01T00:00:00Z",
    "uri": "https://github.example.test/x",
    "email": "nobody@example.test",
}


class Violation(AssertionError):
    """Something that GitHub's description does not allow."""


class Operation:
    """One call of the API, as it is described."""

    def __init__(self, verb: str, path: str, about: Mapping[str, Any]) -> None:
        self.verb, self.path, self._about = verb, path, about
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
        self.pattern = re.compile(f"^{pattern}$")

    def check_question(self, params: Mapping[str, str], body: Any) -> None:
        """Raises Violation: a parameter or the body is not of the description."""
        known = {each["name"]: each for each in map(_resolved, self._about.get("parameters", []))}
        for name, value in params.items():
            if name not in known:
                raise Violation(f"{self.verb} {self.path}: parameter {name!r} is not described")
            schema = _resolved(known[name]["schema"])
            given = int(value) if schema.get("type") == "integer" else value
            _judge(schema, given, f"{self.verb} {self.path}: parameter {name}")
        wanted = self._about.get("requestBody")
        if wanted is not None and (body is not None or wanted.get("required")):
            schema = wanted["content"]["application/json"]["schema"]
            _judge(schema, body, f"{self.verb} {self.path}: the body")

    def answer(self, status: int, values: Any) -> Any:
        """A whole answer around the values that matter; Violation where it is not of the description."""
        found = _resolved(self._about["responses"][str(status)])
        if "content" not in found:
            return None
        schema = found["content"]["application/json"]["schema"]
        whole = _fill(schema, values)
        _judge(schema, whole, f"{self.verb} {self.path}: the answer {status}")
        return whole


@functools.cache
def operations() -> tuple[Operation, ...]:
    """Every call that is described here."""
    return tuple(
        Operation(verb.upper(), path, about)
        for path, verbs in _document("openapi.json")["paths"].items()
        for verb, about in verbs.items()
    )


def webhook(name: str, values: Any) -> Any:
    """A whole payload around the values that matter, such as of `pull-request-opened`."""
    about = _document("webhooks.json")["webhooks"][name]["post"]
    schema = about["requestBody"]["content"]["application/json"]["schema"]
    whole = _fill(schema, values, document="webhooks.json")
    _judge(schema, whole, f"webhook {name}", document="webhooks.json")
    return whole


def check_webhook(name: str, payload: Any) -> None:
    """Raises Violation: the payload is not of the description."""
    about = _document("webhooks.json")["webhooks"][name]["post"]
    schema = about["requestBody"]["content"]["application/json"]["schema"]
    _judge(schema, payload, f"webhook {name}", document="webhooks.json")


def examples(event: str) -> list[Any]:
    """Published payloads of an event."""
    found = json.loads((FIXTURES / "examples.json").read_text(encoding="utf-8"))
    return list(found[event])


@functools.cache
def _document(name: str) -> Any:
    return _converted(json.loads((FIXTURES / name).read_text(encoding="utf-8")))


def _converted(found: Any) -> Any:
    """OpenAPI 3.0's `nullable` in the words of JSON Schema."""
    if isinstance(found, list):
        return [_converted(each) for each in found]
    if not isinstance(found, dict):
        return found
    made = {key: _converted(value) for key, value in found.items() if key != "nullable"}
    return {"anyOf": [made, {"type": "null"}]} if found.get("nullable") is True else made


def _resolved(schema: Any, document: str = "openapi.json") -> Any:
    while "$ref" in schema:
        found = _document(document)
        for part in schema["$ref"].split("/")[1:]:
            found = found[part]
        schema = found
    return schema


def _judge(schema: Any, value: Any, what: str, *, document: str = "openapi.json") -> None:
    whole = {**schema, "components": _document(document)["components"]}
    found = jsonschema.Draft202012Validator(whole).iter_errors(value)
    problem = next(iter(found), None)
    if problem is not None:
        raise Violation(f"{what}: {problem.json_path}: {problem.message[:300]}")


def _fill(schema: Any, value: Any = _NOTHING, *, document: str = "openapi.json") -> Any:
    """The least value of a schema, with what is given put in."""
    schema = _resolved(schema, document)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return _chosen(schema[word], value, document)
    if "allOf" in schema:
        return _joined(schema["allOf"], {} if value is _NOTHING else value, document)
    if value is not _NOTHING and not isinstance(value, dict | list):
        return value
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "array":
        items = schema.get("items", {})
        return [
            _fill(items, each, document=document) for each in ([] if value is _NOTHING else value)
        ]
    if kind == "object" or "properties" in schema:
        return _filled(schema, {} if value is _NOTHING else value, document)
    return _least(schema, kind) if value is _NOTHING else value


def _chosen(choices: list[Any], value: Any, document: str) -> Any:
    resolved = [_resolved(each, document) for each in choices]
    nothing = {"type": "null"}
    if value is None or (value is _NOTHING and nothing in resolved):
        return None
    wanted = {"dict": "object", "list": "array"}.get(type(value).__name__)
    for each in resolved:
        if each != nothing and (wanted is None or each.get("type", "object") == wanted):
            return _fill(each, value, document=document)
    return value


def _joined(parts: list[Any], given: Mapping[str, Any], document: str) -> dict[str, Any]:
    """What each part fills in; a part that does not know a value leaves it to the others."""
    made = dict(given)
    for part in parts:
        found = _fill(part, given, document=document)
        made |= {name: each for name, each in found.items() if each != given.get(name, _NOTHING)}
    return made


def _filled(schema: Any, given: Mapping[str, Any], document: str) -> dict[str, Any]:
    known = schema.get("properties", {})
    made = {
        name: _fill(known[name], given.get(name, _NOTHING), document=document)
        for name in known
        if name in given or name in schema.get("required", ())
    }
    return {**given, **made}


def _least(schema: Any, kind: str | None) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    if kind == "string":
        return _FORMATS.get(schema.get("format", ""), schema.get("default", ""))
    return {"integer": 0, "number": 0, "boolean": False}.get(kind or "")
