"""Writes one engine pass: everything in one transaction under the leader's epoch, one statement per table touched."""

import asyncio
import collections
import functools
import re
from collections.abc import Iterable
from concurrent import futures
from typing import Any

from workbenchx import ports
from workbenchx.planner import model
from workbenchx.store import connections, encode, events, plans, queries, runs, tables

_SQL = queries.load("settle")
_FENCE = queries.load("leadership")["fence"]
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_EVENT_TYPES = {
    model.Action.CREATE: "ResourceCreated",
    model.Action.ADOPT: "ResourceAdopted",
    model.Action.DELETE: "ResourceDeleted",
    model.Action.FORGET: "ResourceForgotten",
}
_Changes = dict[str, tuple[ports.RowWrite | None, model.Verdict | None]]
# The order in which tables are written: a project before what names it, an experiment before its cells.
_FIRST = ("projects", "experiments")


class Settling:
    """The part of the store that the engine's passes write."""

    _db: connections.Connections

    async def settle(self, epoch: int, batch: ports.Batch) -> bool:
        """Write a batch; False: the epoch is stale and nothing was written. The same batch twice is once."""
        async with self._db.transaction() as conn:
            if not await connections.fetch(conn, _FENCE, {"epoch": epoch}):
                return False
            if batch.rows or batch.tombstones:
                begun = {"run_id": batch.run_id, "commit": batch.commit}
                if not await connections.fetch(conn, _SQL["begin"], begun):
                    return True
            with futures.ThreadPoolExecutor(1) as scribe:
                await _all(conn, batch, scribe)
        return True


async def _all(conn: connections.Connection, batch: ports.Batch, scribe: futures.Executor) -> None:
    """The parts of a batch. `scribe` spells out what follows while the server works at what was sent."""
    await _bury(conn, batch)
    spelled = functools.partial(asyncio.get_running_loop().run_in_executor, scribe)
    changes = [(table, some, spelled(_text, some)) for table, some in _by_table(batch)]
    told = spelled(list, _events(batch))
    for table, some, text in changes:
        await _write_table(conn, table, some, await text, batch)
    await _link_cells(conn, batch)
    await _take_in(conn, batch)
    await _members(conn, batch)
    await runs.order(conn, batch.orders, batch.commit)
    await runs.cancel(conn, batch.cancels, because="a newer declared version")
    await _applied(conn, batch)
    await _keep_plan(conn, batch)
    await events.append(conn, await told)


async def _bury(conn: connections.Connection, batch: ports.Batch) -> None:
    graves: dict[str, list[dict[str, Any]]] = collections.defaultdict(list)
    for key, uid, _, action in batch.tombstones:
        if table := tables.of(key.kind):
            graves[table].append({"id": uid, "action": action})
    params: dict[str, Any] = {"run_id": batch.run_id, "commit": batch.commit}
    for table, rows in graves.items():
        query = queries.for_table("settle", "bury", table)
        await conn.execute(query, params | {"rows": encode.document(rows)})
    forgotten = [uid for _, uid, _, action in batch.tombstones if action is model.Action.FORGET]
    if forgotten:
        await conn.execute(_SQL["let_go"], {"ids": forgotten})


async def _write_table(
    conn: connections.Connection, table: str, some: _Changes, text: str, batch: ports.Batch
) -> None:
    """Send what is needed; what was declared anew since the plan was made is sent whole."""
    renamed = [uid for uid, (row, _) in some.items() if row and row.renamed_from]
    if len(renamed) > 1:
        await conn.execute(queries.for_table("settle", "park_names", table), {"ids": renamed})
    query = queries.for_table("settle", "write_rows", table)
    params = {"run_id": batch.run_id, "commit": batch.commit}
    missing = await connections.fetch(conn, query, params | {"rows": text})
    if missing:
        again = {uid: some[uid] for (uid,) in missing}
        await conn.execute(query, params | {"rows": _text(again, whole=True)})


async def _link_cells(conn: connections.Connection, batch: ports.Batch) -> None:
    cells = [
        {"id": row.uid, "parent": row.parent_uid, "parameters": row.parameters}
        for row in batch.rows
        if row.parent_uid is not None
    ]
    if cells:
        await conn.execute(_SQL["link_cells"], {"rows": encode.document(cells)})


async def _take_in(conn: connections.Connection, batch: ports.Batch) -> None:
    """What was recorded before its project was, or under one of that name that is gone, belongs to it from now on."""
    ids = [row.uid for row in batch.rows if row.declared.key.kind == "Project"]
    if not ids:
        return
    for table in tables.naming_projects():
        await conn.execute(queries.for_table("settle", "take_in", table), {"ids": ids})
    await conn.execute(_SQL["take_in_runs"], {"ids": ids})


def _by_table(batch: ports.Batch) -> list[tuple[str, _Changes]]:
    """The rows and verdicts of each table, a verdict beside the row that it is about."""
    verdicts = dict(batch.verdicts)
    found: dict[str, _Changes] = collections.defaultdict(dict)
    for row in batch.rows:
        if table := tables.of(row.declared.key.kind):
            found[table][row.uid] = (row, verdicts.pop(row.uid, None))
    for uid, verdict in verdicts.items():
        if table := tables.of(verdict.key.kind):
            found[table][uid] = (None, verdict)
    return sorted(found.items(), key=lambda item: (_place(item[0]), item[0]))


def _text(some: _Changes, *, whole: bool = False) -> str:
    return encode.document([_change(uid, *change, whole=whole) for uid, change in some.items()])


def _change(
    uid: str, row: ports.RowWrite | None, verdict: model.Verdict | None, *, whole: bool
) -> dict[str, Any]:
    said: dict[str, Any] = {"id": uid}
    if row is not None:
        said |= _row(row, whole=whole)
    if verdict is not None:
        said |= {"kind": verdict.key.kind} | _verdict(verdict)
    return said


def _place(table: str) -> int:
    return _FIRST.index(table) if table in _FIRST else len(_FIRST)


def _row(write: ports.RowWrite, *, whole: bool) -> dict[str, Any]:
    """The row without what `ops.declared` has. A cell of a matrix is not declared there."""
    kind, namespace, name = write.declared.key
    row: dict[str, Any] = {
        "kind": kind,
        "namespace": namespace,
        "name": name,
        "declared_hash": write.declared.hash,
        "action": write.action,
    }
    return row | _whole(write) if whole or write.parent_uid is not None else row


def _whole(write: ports.RowWrite) -> dict[str, Any]:
    declared = write.declared
    return {
        "spec": declared.spec,
        "project": declared.project,
        "source": declared.source.source,
        "repo": declared.source.repo,
        "commit": declared.source.commit,
        "path": declared.source.path,
        "line": declared.source.line,
    }


def _verdict(verdict: model.Verdict) -> dict[str, Any]:
    said: dict[str, Any] = {
        "state": verdict.state,
        "ready": verdict.ready,
        "reason": verdict.reason,
        "message": encode.text(verdict.message),
    }
    facts, unset = encode.merged(verdict.facts)
    if facts:
        said["facts"] = facts
    if unset:
        said["unset"] = unset
    return said


async def _members(conn: connections.Connection, batch: ports.Batch) -> None:
    projects = [row for row in batch.rows if row.declared.key.kind == "Project"]
    buried = [uid for key, uid, _, _ in batch.tombstones if key.kind == "Project"]
    touched = [row.uid for row in projects] + buried
    if not touched:
        return
    await conn.execute(_SQL["remove_members"], {"ids": touched})
    members = [member for row in projects for member in _memberships(row)]
    if members:
        await conn.execute(_SQL["write_members"], {"rows": encode.document(members)})


def _memberships(row: ports.RowWrite) -> Iterable[dict[str, Any]]:
    for member in row.declared.spec.get("members") or ():
        user = str(member.get("user", ""))
        is_id = _UUID.fullmatch(user) is not None
        yield {
            "project_id": row.uid,
            "user_id": user if is_id else None,
            "email": None if is_id else user.lower(),
            "role": member.get("role", "viewer"),
        }


async def _applied(conn: connections.Connection, batch: ports.Batch) -> None:
    if batch.applied_interventions:
        settled = batch.run_id if batch.rows or batch.tombstones else None
        params = {"ids": list(batch.applied_interventions), "run_id": settled}
        await conn.execute(_SQL["apply_interventions"], params)


async def _keep_plan(conn: connections.Connection, batch: ports.Batch) -> None:
    plan = batch.plan
    if plan is None or not plans.worth_keeping(plan):
        return
    settled = batch.run_id if batch.rows or batch.tombstones else None
    await plans.keep(conn, plan, commit=batch.commit, run_id=settled)


def _events(batch: ports.Batch) -> Iterable[dict[str, Any]]:
    """One event for each changed resource, in the order of the batch."""
    for write in batch.rows:
        key = write.declared.key
        data = _subject(key, write.uid, write.because) | {"hash": write.declared.hash}
        if write.fields:
            data["fields"] = [
                {"path": field.path, "before": field.before, "after": field.after}
                for field in write.fields
            ]
        if write.renamed_from:
            data["renamed_from"] = write.renamed_from.name
        kind = _EVENT_TYPES.get(write.action, "ResourceUpdated")
        told = ports.Event(batch.run_id, "ResourceRenamed" if write.renamed_from else kind, data)
        yield events.entry(told, _project_of(key, write.declared.project))
    for key, uid, because, action in batch.tombstones:
        told = ports.Event(batch.run_id, _EVENT_TYPES[action], _subject(key, uid, because))
        yield events.entry(told)


def _subject(key: model.Key, uid: str, because: str) -> dict[str, Any]:
    return {**key._asdict(), "uid": uid, "because": because}


def _project_of(key: model.Key, project: str | None) -> str | None:
    return key.name if key.kind == "Project" else project
