"""`ops.declared`: what a source says, compared in the program so that an unchanged tree costs one small read."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx import ports
from workbenchx.planner import model
from workbenchx.store import connections, encode, queries

_SQL = queries.load("declared")
_quoted = json.encoder.encode_basestring

_Standing = dict[tuple[str, str, str], tuple[Any, ...]]


class Mirror:
    """The part of the store that the reader of declared documents writes."""

    _db: connections.Connections

    async def mirror(
        self,
        source: str,
        rows: Sequence[model.Declared],
        *,
        complete: bool,
        commit: str | None,
        scope: str | None = None,
        broken: Mapping[str, str] | None = None,
        code: Mapping[str, model.Code] | None = None,
    ) -> ports.MirrorResult:
        """Make `ops.declared` say `rows` for `source` (law: see the port)."""
        broken = broken or {}
        async with self._db.transaction() as conn:
            begun = {
                "source": source,
                "complete": complete,
                "commit": commit,
                "code": encode.document(_snapshots(code or {})),
            }
            epoch = int((await connections.fetch(conn, _SQL["begin_epoch"], begun))[0][0])
            found = await connections.fetch(conn, _SQL["standing"], {"source": source})
            standing: _Standing = {(row[0], row[1], row[2]): row[3:] for row in found}
            removed = _removed(standing, rows, scope, broken) if complete else []
            said = [*rows, *_unreadable(source, standing, rows, broken)]
            changed = [row for row in said if _differs(row, standing.get(row.key))]
            if removed:
                keys = encode.document(removed)
                await conn.execute(_SQL["remove"], {"source": source, "keys": keys})
            written = 0
            if changed:
                text = spelled(changed, commit)
                params = {"source": source, "epoch": epoch, "rows": text}
                written = (await conn.execute(_SQL["write"], params)).rowcount
        return ports.MirrorResult(changed=written, removed=len(removed), epoch=epoch)


def _snapshots(code: Mapping[str, model.Code]) -> dict[str, dict[str, str | None]]:
    return {name: {"sha256": one.sha256, "commit": one.commit} for name, one in code.items()}


def _differs(row: model.Declared, standing: tuple[Any, ...] | None) -> bool:
    """Whether the table says something else. A new commit alone changes nothing."""
    if standing is None:
        return True
    place = (row.source.path, row.source.line, row.problem)
    if row.problem is not None:
        return place != standing[2:]
    return (row.hash, row.project, *place) != standing


def _removed(
    standing: _Standing,
    rows: Sequence[model.Declared],
    scope: str | None,
    broken: Mapping[str, str],
) -> list[dict[str, str]]:
    """What the source no longer says, where it was looked at and could be read."""
    said = {row.key for row in rows}
    return [
        {"kind": key[0], "namespace": key[1], "name": key[2]}
        for key, row in standing.items()
        if key not in said and row[2] not in broken and _within(row[2], scope)
    ]


def _unreadable(
    source: str, standing: _Standing, rows: Sequence[model.Declared], broken: Mapping[str, str]
) -> list[model.Declared]:
    """What files said that cannot be read now: refused, so that what is wrong stands in each row."""
    said = {row.key for row in rows} if broken else set()
    return [
        model.Declared(
            model.Key(*key),
            project,
            {},
            "",
            model.SourceRef(source, path=path, line=line),
            problem=broken[path],
        )
        for key, (_, project, path, line, _) in standing.items()
        if path in broken and key not in said
    ]


def _within(path: str | None, scope: str | None) -> bool:
    if scope is None or scope.strip("/") in {"", "."}:
        return True
    folder = scope.rstrip("/")
    return path is not None and (path == folder or path.startswith(folder + "/"))


def spelled(rows: Sequence[model.Declared], commit: str | None) -> str:
    """Rows as `write` takes them, in one JSON text. A spec that is JSON already is not written again."""
    return encode.cleaned(f"[{','.join([_spelled(one, commit) for one in rows])}]")


def _spelled(one: model.Declared, commit: str | None) -> str:
    if not one.text:
        return encode.document(row(one, commit))
    place = one.source
    return (
        f'{{"kind":{_quoted(one.key.kind)},"namespace":{_quoted(one.key.namespace)},"name":{_quoted(one.key.name)},'
        f'"project":{_or_null(one.project)},"spec":{one.text},"hash":{_quoted(one.hash)},"problem":{_or_null(one.problem)},'
        f'"repo":{_or_null(place.repo)},"commit":{_or_null(place.commit or commit)},"path":{_or_null(place.path)},'
        f'"line":{"null" if place.line is None else place.line}}}'
    )


def _or_null(text: str | None) -> str:
    return "null" if text is None else _quoted(text)


def row(one: model.Declared, commit: str | None) -> Mapping[str, Any]:
    """A row as `write` takes it."""
    return {
        "kind": one.key.kind,
        "namespace": one.key.namespace,
        "name": one.key.name,
        "project": one.project,
        "spec": one.spec,
        "hash": one.hash,
        "problem": one.problem,
        "repo": one.source.repo,
        "commit": one.source.commit or commit,
        "path": one.source.path,
        "line": one.source.line,
    }
