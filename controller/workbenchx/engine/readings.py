"""A reading as plain data and back: how declared files travel to where their plan is made."""

from collections.abc import Mapping
from typing import Any

from workbenchx import errors
from workbenchx.engine import mirror
from workbenchx.planner import model

Plain = dict[str, Any]
_TEXTS = ("kind", "namespace", "name", "hash")
_OPTIONAL = ("project", "commit", "path", "problem")


def document(reading: mirror.Reading) -> Plain:
    """The reading as JSON takes it."""
    return {
        "rows": [_row(row) for row in reading.rows],
        "broken": list(reading.broken),
        "faults": dict(reading.broken),
        "scope": reading.scope,
        "commit": reading.commit,
        "code": {
            project: {"sha256": code.sha256, "commit": code.commit}
            for project, code in reading.code.items()
        },
        "complete": reading.complete,
    }


def _row(row: model.Declared) -> Plain:
    return {
        "kind": row.key.kind,
        "namespace": row.key.namespace,
        "name": row.key.name,
        "project": row.project,
        "spec": row.spec,
        "hash": row.hash,
        "commit": row.source.commit,
        "path": row.source.path,
        "line": row.source.line,
        "problem": row.problem,
    }


def parse(plain: Any, *, source: str = mirror.EMBEDDED_SOURCE) -> mirror.Reading:
    """The reading that a document says; its rows count as declared by `source`.

    Raises:
        errors.Stalled: reason InvalidSpec: it is none; the message names the part.
    """
    top = _mapping(plain, "reading")
    code = _mapping(top.get("code", {}), "code")
    return mirror.Reading(
        rows=tuple(
            _declared(_mapping(row, f"rows[{at}]"), f"rows[{at}]", source)
            for at, row in enumerate(_list(top.get("rows"), "rows"))
        ),
        broken=_broken(top),
        scope=_optional(top.get("scope"), "scope"),
        commit=_optional(top.get("commit"), "commit"),
        code={project: _code(found, f"code.{project}") for project, found in code.items()},
        complete=_flag(top.get("complete"), "complete"),
    )


def _broken(top: Mapping[str, Any]) -> dict[str, str]:
    """Paths that could not be read, and what is wrong there; older programs name the paths alone."""
    faults = _mapping(top.get("faults", {}), "faults")
    paths = [
        _text(path, f"broken[{at}]") for at, path in enumerate(_list(top.get("broken"), "broken"))
    ]
    told = {path: f"{path}: could not be read" for path in paths}
    return told | {path: _text(faults[path], f"faults.{path}") for path in paths if path in faults}


def _declared(row: Mapping[str, Any], where: str, source: str) -> model.Declared:
    texts = {name: _text(row.get(name), f"{where}.{name}") for name in _TEXTS}
    optional = {name: _optional(row.get(name), f"{where}.{name}") for name in _OPTIONAL}
    line = row.get("line")
    if line is not None and (isinstance(line, bool) or not isinstance(line, int)):
        raise _wrong(f"{where}.line", "a whole number")
    return model.Declared(
        key=model.Key(texts["kind"], texts["namespace"], texts["name"]),
        project=optional["project"],
        spec=_mapping(row.get("spec"), f"{where}.spec"),
        hash=texts["hash"],
        source=model.SourceRef(
            source=source, commit=optional["commit"], path=optional["path"], line=line
        ),
        problem=optional["problem"],
    )


def _code(found: Any, where: str) -> model.Code:
    code = _mapping(found, where)
    return model.Code(
        _text(code.get("sha256"), f"{where}.sha256"),
        _optional(code.get("commit"), f"{where}.commit"),
    )


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(where, "an object")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(where, "a list")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _wrong(where, "a text")
    return value


def _optional(value: Any, where: str) -> str | None:
    return None if value is None else _text(value, where)


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(where, "true or false")
    return value


def _wrong(where: str, wanted: str) -> errors.Stalled:
    return errors.Stalled(f"reading: {where} must be {wanted}", reason="InvalidSpec")
