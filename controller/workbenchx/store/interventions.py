"""`ops.interventions`: what people order."""

from collections.abc import Mapping
from typing import Any

from workbenchx import errors
from workbenchx.planner import model
from workbenchx.store import connections, encode, proposals, queries, runs

_SQL = queries.load("interventions")
VERBS = frozenset(
    {
        "suspend",
        "resume",
        "confirm",
        "cancel",
        "snooze",
        "adopt",
        "forget",
        "start",
        "stop",
        "extend",
        "snapshot",
        "rerun",
        "backfill",
        "sync",
    }
)
_OVER = frozenset({"succeeded", "failed", "cancelled", "timed_out", "lost"})


class Interventions:
    """The part of the store that people write."""

    _db: connections.Connections

    async def intervene(
        self, verb: str, key: model.Key | None, args: Mapping[str, Any], *, actor: str
    ) -> str:
        """Record an order; its id. `cancel` asks the run named in args (`run_id`) to end.

        Raises:
            errors.Stalled: reason UnknownVerb, RunNotFound, RunAmbiguous, or RunEnded: there is nothing to cancel;
                NotFound: no open proposal has that id.
        """
        if verb not in VERBS:
            raise errors.Stalled(f'intervention: "{verb}" is not known', reason="UnknownVerb")
        async with self._db.transaction() as conn:
            if verb == "cancel":
                args = dict(args) | {"run_id": await _cancel(conn, args, actor)}
            if verb == "snooze":
                await proposals.snooze(conn, str(args["proposal_id"]), str(args["until"]))
            params = {
                "verb": verb,
                "kind": key.kind if key else None,
                "namespace": key.namespace if key else "",
                "name": key.name if key else None,
                "args": encode.document(args),
                "actor": encode.text(actor),
                "at_once": verb in {"cancel", "snooze"},
            }
            return str((await connections.fetch(conn, _SQL["record"], params))[0][0])

    async def carried_out(self, order_id: str, *, run_id: str | None) -> None:
        """The order is a run now; None: it cannot be carried out. Again changes nothing."""
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["carried_out"], {"id": order_id, "run_id": run_id})


async def _cancel(conn: connections.Connection, args: Mapping[str, Any], actor: str) -> str:
    run_id, state = await runs.resolve(conn, str(args.get("run_id", "")))
    if state in _OVER:
        raise errors.Stalled(f'run: "{run_id}" has ended ({state})', reason="RunEnded")
    await runs.cancel(conn, [run_id], because="ordered", actor=actor)
    return run_id
