"""`ops.declared`: what a source says, compared in the program so that an unchanged tree costs one small read."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx import ports
from workbenchx.api import attached, canonical
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
        said = Said(rows, complete, commit, scope, broken or {}, code or {})
        async with self._db.transaction() as conn:
            written = await write(conn, source, said)
        return ports.MirrorResult(written.changed, written.removed, written.epoch)


@dataclasses.dataclass(frozen=True, slots=True)
class Said:
    """One reading of a source. `prune` False: what it no longer says stays."""

    rows: Sequence[model.Declared]
    complete: bool
    commit: str | None
    scope: str | None
    broken: Mapping[str, str]
    code: Mapping[str, model.Code]
    prune: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Written:
    """What writing a reading changed; `absent`: what the source no longer says."""

    changed: int
    removed: int
    epoch: int
    absent: Sequence[model.Key]


async def write(conn: connections.Connection, source: str, said: Said) -> Written:
    """Make `ops.declared` say it, inside a transaction."""
    begun = {
        "source": source,
        "complete": said.complete,
        "commit": said.commit,
        "code": encode.document(_snapshots(said.code)),
    }
    epoch = int((await connections.fetch(conn, _SQL["begin_epoch"], begun))[0][0])
    found = await connections.fetch(conn, _SQL["standing"], {"source": source})
    standing: _Standing = {(row[0], row[1], row[2]): row[3:] for row in found}
    absent = _removed(standing, said.rows, said.scope, said.broken) if said.complete else []
    if absent and said.prune:
        keys = encode.document([key._asdict() for key in absent])
        await conn.execute(_SQL["remove"], {"source": source, "keys": keys})
    rows = [*said.rows, *_unreadable(source, standing, said.rows, said.broken)]
    changed = [row for row in rows if _differs(row, standing.get(row.key))]
    written = 0
    if changed:
        params = {"source": source, "epoch": epoch, "rows": spelled(changed, said.commit)}
        written = (await conn.execute(_SQL["write"], params)).rowcount
    return Written(written, len(absent) if said.prune else 0, epoch, absent)


def _snapshots(code: Mapping[str, model.Code]) -> dict[str, dict[str, str | None]]:
    return {name: {"sha256": one.sha256, "commit": one.commit} for name, one in code.items()}


def _differs(row: model.Declared, standing: tuple[Any, ...] | None) -> bool:
    """Whether the table says something else. A new commit alone changes nothing."""
    if standing is None:
        return True
    place = (row.source.path, row.source.line, row.problem, row.source.repo)
    if row.problem is not None:
        return place != standing[2:6]
    return (row.hash, row.project, *place) != standing[:6] or attached.shown(
        row.metadata
    ) != canonically(standing[6])


def _removed(
    standing: _Standing,
    rows: Sequence[model.Declared],
    scope: str | None,
    broken: Mapping[str, str],
) -> list[model.Key]:
    """What the source no longer says, where it was looked at and could be read."""
    said = {row.key for row in rows}
    return [
        model.Key(*key)
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
            model.SourceRef(source, repo=repo, path=path, line=line),
            problem=broken[path],
        )
        for key, (_, project, path, line, _, repo, _) in standing.items()
        if path in broken and key not in said
    ]


def _within(path: str | None, scope: str | None) -> bool:
    if scope is None or scope.strip("/") in {"", "."}:
        return True
    folder = scope.rstrip("/")
    return path is not None and (path == folder or path.startswith(folder + "/"))


def canonically(text: str) -> str:
    """JSON as the database spells it, as `canonical` does."""
    return text if text == attached.NOTHING else canonical.text(json.loads(text))


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
        f"{_attached(one.metadata)}"
        f'"repo":{_or_null(place.repo)},"commit":{_or_null(place.commit or commit)},"path":{_or_null(place.path)},'
        f'"line":{"null" if place.line is None else place.line}}}'
    )


def _attached(metadata: str) -> str:
    """Labels and annotations as the table shows them, and whole where that is another text."""
    shown = attached.shown(metadata)
    return f'"metadata":{shown},' + ("" if shown == metadata else f'"whole":{metadata},')


def _or_null(text: str | None) -> str:
    return "null" if text is None else _quoted(text)


def row(one: model.Declared, commit: str | None) -> Mapping[str, Any]:
    """A row as `write` takes it."""
    shown = attached.shown(one.metadata)
    whole = {} if shown == one.metadata else {"whole": attached.fields(one.metadata)}
    return whole | {
        "kind": one.key.kind,
        "namespace": one.key.namespace,
        "name": one.key.name,
        "project": one.project,
        "spec": one.spec,
        "hash": one.hash,
        "metadata": attached.fields(shown),
        "problem": one.problem,
        "repo": one.source.repo,
        "commit": one.source.commit or commit,
        "path": one.source.path,
        "line": one.source.line,
    }
