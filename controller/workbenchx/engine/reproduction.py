"""Run the order of an ended run again: same code, runtime, inputs, parameters and seed."""

import dataclasses

from workbenchx import errors, ports
from workbenchx.engine import batches, ids

_TRIES = 5


async def queue(store: ports.Store, run_id: str, *, installation: str) -> str:
    """Queue a reproduction of `run_id`; the new run's id.

    Raises:
        errors.Stalled: reason NotReproducible: no such run, or not one that executed a command.
    """
    for _ in range(_TRIES):
        order = await store.order_of(run_id, as_run=ids.run_id())
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
