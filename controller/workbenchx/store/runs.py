"""`ops.runs`: the queue, its leases and its ends. A write with an older token than the row's changes nothing."""

import collections
import decimal
from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx import errors, ports
from workbenchx.planner import model
from workbenchx.store import connections, encode, events, queries, tables

_SQL = queries.load("runs")
_SETTLE = queries.load("settle")
_END_EVENTS = {
    model.ExecutionState.SUCCEEDED: "RunSucceeded",
    model.ExecutionState.FAILED: "RunFailed",
    model.ExecutionState.CANCELLED: "RunCancelled",
    model.ExecutionState.TIMED_OUT: "RunTimedOut",
    model.ExecutionState.LOST: "RunLost",
}


class Runs:
    """The part of the store that workers use. `limits`: how many runs of a provider may be open at once."""

    _db: connections.Connections
    limits: Mapping[str, int]

    async def enqueue(self, orders: Sequence[ports.RunOrder]) -> bool:
        """Queue runs ordered outside any plan; False: an attempt number is taken and nothing was queued."""
        try:
            async with self._db.transaction() as conn:
                await _order_all(conn, orders)
        except errors.Conflict:
            return False
        return True

    async def claim(
        self, worker: str, *, limit: int, lease: float, operations: Sequence[str] = ()
    ) -> list[ports.ClaimedRun]:
        """Take up to `limit` due runs, oldest first, within the providers' limits."""
        params = {
            "worker": worker,
            "limit": limit,
            "lease": lease,
            "operations": list(operations),
            "limits": encode.document(self.limits),
        }
        async with self._db.transaction(pipelined=True) as conn:
            await conn.execute(_SQL["claim_lock"])
            rows = await connections.fetch(conn, _SQL["claim"], params)
            claimed = [_claimed(row) for row in sorted(rows, key=lambda row: (row[15], row[0]))]
            await events.append(conn, [_claim_event(run, worker) for run in claimed])
        return claimed

    async def beat(
        self, worker: str, runs: Sequence[tuple[str, int]], *, lease: float
    ) -> ports.Beat:
        """Renew the leases of (run_id, fencing) pairs."""
        params = {
            "worker": worker,
            "ids": [run_id for run_id, _ in runs],
            "fencings": [fencing for _, fencing in runs],
            "lease": lease,
        }
        async with self._db.transaction(pipelined=True) as conn:
            found = await connections.fetch(conn, _SQL["beat"], params)
        return ports.Beat(
            mine=frozenset(run_id for run_id, _ in found),
            cancel=frozenset(run_id for run_id, cancelled in found if cancelled),
        )

    async def claim_start(
        self, run_id: str, fencing: int, *, external_id: str, provider: str, command: Sequence[str]
    ) -> bool:
        """The compare-and-set before a user's command starts: True exactly once per (run_id, attempt)."""
        params = {
            "run_id": run_id,
            "fencing": fencing,
            "external_id": external_id,
            "provider": provider,
            "command": [encode.text(word) for word in command],
        }
        data = {"external_id": external_id, "provider": provider, "command": params["command"]}
        async with self._db.transaction() as conn:
            if not await connections.fetch(conn, _SQL["start"], params):
                return False
            await events.append(conn, [events.entry(ports.Event(run_id, "CommandClaimed", data))])
        return True

    async def finish(self, run_id: str, fencing: int, outcome: ports.Outcome) -> bool:
        """End the run; False: the token is stale, the outcome was dropped."""
        return bool(await self.finish_many([(run_id, fencing, outcome)]))

    async def finish_many(self, ends: Sequence[tuple[str, int, ports.Outcome]]) -> frozenset[str]:
        """End any number of runs in one transaction; the ids of those whose token was valid."""
        outcomes = {run_id: outcome for run_id, _, outcome in ends}
        async with self._db.transaction(pipelined=True) as conn:
            params = {"rows": encode.document([_end(*end) for end in ends])}
            found = await connections.fetch(conn, _SQL["finish"], params)
            ended = [(row, outcomes[row[0]]) for row in found]
            await _keep_artifacts(conn, ended)
            await _merge_facts(conn, ended)
            await events.append(
                conn, [_end_event(row[0], outcome, row[3]) for row, outcome in ended]
            )
        return frozenset(row[0] for row in found)

    async def requeue(
        self, run_id: str, fencing: int, *, reason: str, message: str, delay: float
    ) -> bool:
        """Back to the queue until `delay` seconds have passed."""
        params = {
            "run_id": run_id,
            "fencing": fencing,
            "reason": reason,
            "message": encode.text(message),
            "delay": delay,
        }
        data = {"reason": reason, "message": message, "delay": delay}
        async with self._db.transaction() as conn:
            if not await connections.fetch(conn, _SQL["requeue"], params):
                return False
            await events.append(conn, [events.entry(ports.Event(run_id, "RunRequeued", data))])
        return True

    async def release(self, worker: str) -> int:
        """Give back the leases of a worker that stopped or is known dead; how many."""
        async with self._db.transaction() as conn:
            return (await conn.execute(_SQL["release"], {"worker": worker})).rowcount


async def order(
    conn: connections.Connection, orders: Sequence[ports.RunOrder], commit: str | None
) -> set[str]:
    """Queue runs, name them in their resources' rows, tell it; the ids of those that are new."""
    if not orders:
        return set()
    params = {"rows": encode.document([_order(one) for one in orders]), "commit": commit}
    queued = {row[0] for row in await connections.fetch(conn, _SETTLE["order_runs"], params)}
    fresh = [one for one in orders if one.run_id in queued]
    latest: dict[str, list[dict[str, str]]] = collections.defaultdict(list)
    for one in fresh:
        if table := tables.of(one.key.kind):
            latest[table].append({"id": one.resource_uid, "run_id": one.run_id})
    for table, rows in latest.items():
        note = queries.for_table("settle", "note_run", table)
        await conn.execute(note, {"rows": encode.document(rows)})
    await events.append(conn, [_order_event(one) for one in fresh])
    return queued


async def _order_all(conn: connections.Connection, orders: Sequence[ports.RunOrder]) -> None:
    """Queue all of them or none. An order that is there already was given twice, which is once."""
    missed = {one.run_id for one in orders} - await order(conn, orders, None)
    if missed:
        known = await connections.fetch(conn, _SETTLE["known_runs"], {"ids": sorted(missed)})
        if missed - {row[0] for row in known}:
            raise errors.Conflict("runs: an attempt number is taken")


async def cancel(
    conn: connections.Connection, run_ids: Sequence[str], *, because: str, actor: str = "engine"
) -> None:
    """Ask for the end of runs; what no worker ever held ends here and now."""
    if run_ids:
        params = {"ids": list(run_ids), "because": because, "actor": encode.text(actor)}
        await conn.execute(_SQL["cancel"], params)


async def resolve(conn: connections.Connection, prefix: str) -> tuple[str, str]:
    """The one run whose id begins so: (run_id, state).

    Raises:
        errors.Stalled: reason RunNotFound or RunAmbiguous.
    """
    pattern = "".join(char for char in prefix.lower() if char in "0123456789abcdef-")
    found = (
        await connections.fetch(conn, _SQL["resolve"], {"prefix": pattern})
        if pattern and pattern == prefix.lower()
        else []
    )
    if not found:
        raise errors.Stalled(f'run: "{prefix}" is not known', reason="RunNotFound")
    if len(found) > 1:
        raise errors.Stalled(
            f'run: "{prefix}" is the beginning of several; give more of it', reason="RunAmbiguous"
        )
    return found[0][0], found[0][1]


def _order(one: ports.RunOrder) -> dict[str, Any]:
    return {
        "run_id": one.run_id,
        "project": one.project,
        "operation": one.operation,
        **one.key._asdict(),
        "resource_uid": one.resource_uid,
        "provider": one.provider,
        "external_id": one.external_id,
        "attempt": max(one.attempt, 1),
        "tries": max(one.tries, 1),
        "execution_hash": one.execution_hash,
        "document": one.document,
        "timeout": one.timeout,
        "scheduled_for": one.scheduled_for,
        "cost_estimate": one.cost_estimate,
        "adapter": one.intent[0] if one.intent else None,
        "object": one.intent[1] if one.intent else None,
    }


def _order_event(one: ports.RunOrder) -> dict[str, Any]:
    data = {
        "operation": one.operation,
        **one.key._asdict(),
        "provider": one.provider,
        "attempt": one.attempt,
        "document": one.document,
    }
    return events.entry(ports.Event(one.run_id, "RunQueued", data))


def _claimed(row: tuple[Any, ...]) -> ports.ClaimedRun:
    return ports.ClaimedRun(
        run_id=row[0],
        key=model.Key(row[1], row[2], row[3]),
        resource_uid=row[4],
        project=row[5],
        operation=row[6],
        provider=row[7],
        document=row[8],
        attempt=row[9],
        fencing=row[10],
        reattach=row[11] or row[17],
        deadline=row[12],
        external_id=row[13],
        started_at=row[14],
        traceparent=row[16],
        started=row[17],
        cancelled=row[18],
    )


def _claim_event(run: ports.ClaimedRun, worker: str) -> dict[str, Any]:
    kind = "RunReattached" if run.reattach else "RunClaimed"
    return events.entry(
        ports.Event(run.run_id, kind, {"worker": worker, "fencing": run.fencing}, worker)
    )


def _end(run_id: str, fencing: int, outcome: ports.Outcome) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "fencing": fencing,
        "state": outcome.state,
        "reason": outcome.reason,
        "message": outcome.message,
        "exit_code": outcome.exit_code,
        "metrics": outcome.metrics,
        "cost": outcome.cost,
        "started_at": outcome.started_at,
        "ended_at": outcome.ended_at,
    }


def _end_event(run_id: str, outcome: ports.Outcome, cost: decimal.Decimal) -> dict[str, Any]:
    """`cost`: as the run's row has it, which may be of its rate and its time."""
    data = {
        "reason": outcome.reason,
        "message": outcome.message,
        "exit_code": outcome.exit_code,
        "metrics": outcome.metrics,
        "artifacts": {name: blob.sha256 for name, blob, _ in outcome.artifacts},
        "cost": cost or decimal.Decimal(0),
    }
    told = {name: value for name, value in data.items() if value not in (None, "", {})}
    return events.entry(ports.Event(run_id, _END_EVENTS[outcome.state], told))


_Ended = list[tuple[tuple[Any, ...], ports.Outcome]]


async def _keep_artifacts(conn: connections.Connection, ended: _Ended) -> None:
    rows = [
        {
            "run_id": row[0],
            "name": name,
            "bucket": blob.bucket,
            "key": blob.key,
            "bytes": blob.bytes,
            "media_type": media_type,
            "sha256": blob.sha256,
            "storage": blob.storage,
        }
        for row, outcome in ended
        for name, blob, media_type in outcome.artifacts
    ]
    if rows:
        await conn.execute(_SQL["keep_artifacts"], {"rows": encode.document(rows)})


async def _merge_facts(conn: connections.Connection, ended: _Ended) -> None:
    found: dict[str, list[dict[str, Any]]] = collections.defaultdict(list)
    cells = []
    for (run_id, kind, uid, _), outcome in ended:
        table = tables.of(kind or "")
        if table and uid and outcome.facts:
            facts, unset = encode.merged(outcome.facts)
            found[table].append({"id": uid, "run_id": run_id, "facts": facts, "unset": unset})
        if kind == "ExperimentRun" and uid and outcome.metrics:
            cells.append({"id": uid, "metrics": outcome.metrics})
    for table, rows in found.items():
        merge = queries.for_table("runs", "merge_facts", table)
        await conn.execute(merge, {"rows": encode.document(rows)})
    if cells:
        await conn.execute(_SQL["measure_cells"], {"rows": encode.document(cells)})
