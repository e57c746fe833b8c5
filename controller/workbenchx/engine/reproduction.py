"""Run the order of an ended run again: same code, runtime, inputs, parameters and seed."""

import dataclasses
import logging

from workbenchx import errors, ports
from workbenchx.engine import batches, ids
from workbenchx.planner import model

LOG = logging.getLogger(__name__)
_TRIES = 5


async def queue(
    store: ports.Store, run_id: str, *, installation: str, as_run: str | None = None
) -> str:
    """Queue a reproduction of `run_id`; the new run's id, which may be given. The same id twice is one run.

    Raises:
        errors.Stalled: reason NotReproducible: no such run, or not one that executed a command.
    """
    for _ in range(_TRIES):
        order = await store.order_of(run_id, as_run=as_run or ids.run_id())
        if order is None:
            raise errors.Stalled(
                f'reproduce: run "{run_id}" did not execute a command', reason="NotReproducible"
            )
        made = batches.intent(
            installation, order.operation, order.resource_uid, order.attempt, order.document
        )
        if await store.enqueue([dataclasses.replace(order, intent=made)]):
            return order.run_id
    raise errors.Waiting("reproduce: other runs of the resource keep starting", retry_after=1.0)


def ordered(world: model.World) -> list[model.Intervention]:
    """The orders to reproduce a run; the planner has no part in them."""
    return [
        order
        for order in world.interventions
        if order.verb == "rerun" and {"run_id", "new_run_id"} <= order.args.keys()
    ]


async def carry_out(store: ports.Store, world: model.World, *, installation: str) -> None:
    """Queue what was ordered, under the ids that were promised. What cannot be done is dropped and told in the log."""
    for order in ordered(world):
        promised = str(order.args["new_run_id"])
        try:
            await queue(
                store, str(order.args["run_id"]), installation=installation, as_run=promised
            )
        except errors.Stalled as problem:
            if problem.reason != "NotReproducible":
                raise
            LOG.warning("order %s: %s", order.id, problem.message)
            await store.carried_out(order.id, run_id=None)
        else:
            await store.carried_out(order.id, run_id=promised)
