"""The planner's inputs in one snapshot: a constant number of queries, sent together, rows straight into tuples."""

import contextlib
import datetime
import gc
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from workbenchx.api import references
from workbenchx.planner import backfills, model, tracked
from workbenchx.store import connections, encode, queries

_SQL = queries.load("world")
_KNOWN = queries.load("sources")["known"]
_BOUNDS = queries.load("reviews")["bounds"]
_BATCH = 500
_Row = tuple[Any, ...]


class Worlds:
    """The part of the store that the planner reads."""

    _db: connections.Connections

    async def world(self, *, now: datetime.datetime, policy: model.Policy) -> model.World:
        """Everything in one snapshot."""
        return await read(self._db, now=now, policy=policy)

    async def part(
        self, judged: frozenset[model.Key], *, now: datetime.datetime, policy: model.Policy
    ) -> model.World:
        """Of the same world `judged`, what that refers to, and what people ordered about it; no runs."""
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["snapshot"])
            declared, recorded = await _of(conn, judged)
            around = await _of(conn, _targets(declared, recorded) - judged)
            mirrored = await connections.fetch(conn, _SQL["mirrored"])
            strays, outages, probes, holds = await _met(conn)
            followed = await connections.fetch(conn, _KNOWN)
            bounds = await connections.fetch(conn, _BOUNDS)
            interventions = await connections.fetch(conn, _SQL["interventions"])
        ordered = (_intervention(row) for row in interventions)
        return model.World(
            declared=declared + around[0],
            declared_complete=bool(mirrored) and all(complete for _, _, complete in mirrored),
            recorded=recorded + around[1],
            strays=strays,
            outages=outages,
            probes=probes,
            holds=holds,
            interventions=tuple(order for order in ordered if order.key in judged),
            mirrored=_mirrored(mirrored),
            followed=_followed(followed),
            bounds=_bounds(bounds),
            policy=policy,
            now=now,
            part=judged,
        )


async def _of(
    conn: connections.Connection, keys: Collection[model.Key]
) -> tuple[tuple[model.Declared, ...], tuple[model.Recorded, ...]]:
    """Documents and rows of some keys."""
    asked = {"keys": encode.document([key._asdict() for key in keys])}
    declared = await connections.fetch(conn, _SQL["declared_part"], asked)
    recorded = await connections.fetch(conn, _SQL["recorded_part"], asked)
    same = _Same()
    return (
        tuple(_declaration(row, row[4], same) for row in declared),
        tuple(_recorded(row, {}, same) for row in recorded),
    )


async def _met(
    conn: connections.Connection,
) -> tuple[
    tuple[model.Stray, ...], dict[str, str], dict[tuple[str, str], str], dict[model.Key, str]
]:
    """What was met: strays, providers that do not answer, how models did; and versions that are to be gone back from."""
    strays = await connections.fetch(conn, _SQL["strays"])
    outages = await connections.fetch(conn, _SQL["outages"])
    probed = await connections.fetch(conn, _SQL["probes"])
    probes = {(uid, revision): message for uid, revision, message in probed}
    returning = await connections.fetch(conn, _SQL["holds"])
    holds = {model.Key(kind, namespace, name): held for kind, namespace, name, held in returning}
    return tuple(model.Stray(*row) for row in strays), dict(outages), probes, holds


def _targets(
    declared: Iterable[model.Declared], recorded: Iterable[model.Recorded]
) -> set[model.Key]:
    """What documents and rows refer to."""
    rows = [(row.key, row.spec) for row in declared] + [(row.key, row.spec) for row in recorded]
    return {
        found.target
        for key, spec in rows
        for found in references.of(key.kind, key.namespace, spec, name=key.name)
    }


def _mirrored(rows: Iterable[_Row]) -> dict[str, model.Mirrored]:
    return {source: model.Mirrored(epoch, done) for source, epoch, done in rows}


def _followed(rows: Iterable[_Row]) -> dict[model.Key, tracked.Sighting]:
    return {model.Key("Source", row[0], row[1]): tracked.Sighting(*row[2:]) for row in rows}


def _bounds(rows: Iterable[_Row]) -> dict[str, frozenset[str]]:
    return {source: frozenset(marks) for source, marks in rows}


async def read(
    source: connections.Transactions, *, now: datetime.datetime, policy: model.Policy
) -> model.World:
    """Everything in one snapshot, as `source` may see it."""
    since = {"since": now - datetime.timedelta(seconds=policy.brake_window)}
    with _no_collections():
        return await _read(source, now, policy, since)


async def _read(
    source: connections.Transactions,
    now: datetime.datetime,
    policy: model.Policy,
    since: dict[str, Any],
) -> model.World:
    async with source.transaction() as conn:
        await conn.execute(_SQL["snapshot"])
        declared = await _documents(conn)
        mirrored = await connections.fetch(conn, _SQL["mirrored"])
        code = await connections.fetch(conn, _SQL["code"])
        recorded = await _rows(conn, {row.key: row for row in declared})
        ordered = await connections.fetch(conn, _SQL["interventions"])
        interventions = tuple(_intervention(row) for row in ordered)
        executions = await connections.fetch(conn, _SQL["executions"], _backfills(interventions))
        observed = await connections.fetch(conn, _SQL["observed"])
        epochs = await connections.fetch(conn, _SQL["epochs"])
        strays, outages, probes, holds = await _met(conn)
        followed = await connections.fetch(conn, _KNOWN)
        bounds = await connections.fetch(conn, _BOUNDS)
        destroyed = await connections.fetch(conn, _SQL["destroyed"], since)
    return model.World(
        declared=declared,
        declared_complete=bool(mirrored) and all(complete for _, _, complete in mirrored),
        recorded=recorded,
        executions=tuple(_execution(row) for row in executions),
        observed=tuple(model.ObservedObject(*row) for row in observed),
        epochs=tuple(model.Epoch(*row) for row in epochs),
        strays=strays,
        outages=outages,
        probes=probes,
        holds=holds,
        interventions=interventions,
        destroyed=tuple(model.Destroyed(*row) for row in destroyed),
        mirrored=_mirrored(mirrored),
        followed=_followed(followed),
        bounds=_bounds(bounds),
        code={project: model.Code(sha256, commit) for project, sha256, commit in code},
        policy=policy,
        now=now,
    )


@contextlib.contextmanager
def _no_collections() -> Iterator[None]:
    """Some hundred thousand objects come to stay: looking through them for garbage took a third of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _backfills(interventions: Iterable[model.Intervention]) -> dict[str, str]:
    """Which times of which jobs are to be run, for `executions`: it must know what ran at them, however long ago."""
    found = [
        {
            "namespace": order.key.namespace,
            "name": order.key.name,
            "first": within[0].isoformat(),
            "last": within[1].isoformat(),
        }
        for order in interventions
        if order.verb == "backfill" and order.key and (within := backfills.span(order))
    ]
    return {"backfills": encode.document(found)}


async def _documents(conn: connections.Connection) -> tuple[model.Declared, ...]:
    """All that is declared, a batch of rows at a time: one text of many specs is read faster, and its names are kept once."""
    cursor = await conn.execute(_SQL["declared"])
    found: list[model.Declared] = []
    same = _Same()
    while rows := await cursor.fetchmany(_BATCH):
        specs = json.loads(f"[{','.join([row[4] for row in rows])}]")
        found += [_declaration(row, spec, same) for row, spec in zip(rows, specs, strict=True)]
    return tuple(found)


async def _rows(
    conn: connections.Connection, declared: Mapping[model.Key, model.Declared]
) -> tuple[model.Recorded, ...]:
    """All that is recorded, likewise; what a row shares with its document is kept once."""
    cursor = await conn.execute(_SQL["recorded"])
    found: list[model.Recorded] = []
    same = _Same()
    while rows := await cursor.fetchmany(_BATCH):
        found += [_recorded(row, declared, same) for row in rows]
    return tuple(found)


class _Same(dict[Any, Any]):
    """Equal values, each kept once: few different ones fill whole columns."""

    def __missing__(self, value: Any) -> Any:
        self[value] = value
        return value


def _declaration(row: _Row, spec: Any, same: _Same) -> model.Declared:
    return model.Declared(
        model.Key(same[row[0]], same[row[1]], row[2]),
        same[row[3]],
        spec,
        row[5],
        same[model.SourceRef(row[6], row[7], row[8], row[9], row[10])],
        row[11],
        owner=same[row[12]],
    )


def _recorded(
    row: _Row, declared: Mapping[model.Key, model.Declared], same: _Same
) -> model.Recorded:
    key = model.Key(same[row[0]], same[row[1]], row[2])
    document = declared.get(key)
    alike = document is not None and document.hash == row[6]
    return model.Recorded(
        document.key if document else key,
        row[3],
        same[row[4]],
        document.spec if document is not None and row[5] is None else row[5],
        document.hash if document is not None and alike else row[6],
        same[row[7]],
        row[8],
        same[row[9]],
        same[row[10]],
        row[11],
        same[row[12]],
        same[row[13]],
        same[model.SourceRef(row[14], row[15], row[16], row[17], row[18])],
        row[19] or {},
        row[20],
        row[21],
        row[22],
    )


def _execution(row: _Row) -> model.Execution:
    return model.Execution(
        run_id=row[0],
        key=model.Key(row[1], row[2], row[3]),
        operation=row[4],
        state=model.ExecutionState(row[5]),
        execution_hash=row[6],
        attempt=row[7],
        tries=row[8],
        reason=row[9],
        message=row[10],
        exit_code=row[11],
        external_id=row[12],
        queued_at=row[13],
        started_at=row[14],
        ended_at=row[15],
        scheduled_for=row[16],
        metrics=row[17],
        outputs=row[18] or {},
        cancel_requested=row[19],
    )


def _intervention(row: _Row) -> model.Intervention:
    key = model.Key(row[2], row[3], row[4]) if row[2] is not None else None
    return model.Intervention(id=row[0], verb=row[1], key=key, args=row[5], at=row[6], actor=row[7])
