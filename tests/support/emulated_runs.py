"""Runs for the emulated provider: ordered in bulk, and counted to the last row."""

import dataclasses
import uuid
from typing import Any

import emulated_provider
import psycopg

from workbenchx import ports
from workbenchx.engine import ids
from workbenchx.planner import model
from workbenchx.store import postgres


async def order(store: postgres.Postgres, count: int) -> list[str]:
    """Queue runs, each with its intent in the ledger; their ids."""
    installation = (await store.installation()).id
    orders = [_order(installation, number) for number in range(count)]
    assert await store.enqueue(orders)
    return [each.run_id for each in orders]


def _order(installation: str, number: int) -> ports.RunOrder:
    run_id, resource = ids.run_id(), str(uuid.uuid4())
    document = {
        "shape": "execution",
        "runtime": {"name": "none", "image": "none", "python": None, "packages": []},
        "adapter": emulated_provider.ADAPTER,
        "command": ["true"],
    }
    return ports.RunOrder(
        run_id=run_id,
        key=model.Key("RunnerJob", "emulated", f"job-{number}"),
        resource_uid=resource,
        project=None,
        operation="execute",
        provider="emulated",
        document=document,
        intent=(emulated_provider.ADAPTER, ids.sandbox_name(installation, resource, 1)),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Counts:
    """What the rows say of all runs."""

    succeeded: int
    open: int
    attempts: int
    events: int
    chains: int
    gone: int


async def counts(url: str) -> Counts:
    """Now. `chains`: runs with the four events of a run that nobody took over, in order; `gone`: of the ledger."""
    query = """
      select count(*) filter (where state = 'succeeded'), count(*) filter (where state in ('queued', 'running')),
        (select count(*) from ops.sandbox_runs),
        (select count(*) from ops.run_events where seq is not null),
        (select count(*) from (
           select run_id from ops.run_events where seq is not null group by run_id
           having array_agg(type order by seq) = array['RunQueued', 'RunClaimed', 'CommandClaimed', 'RunSucceeded']) c),
        (select count(*) from ops.provider_objects where state = 'gone')
      from ops.runs"""
    async with await psycopg.AsyncConnection.connect(url) as conn:
        found: tuple[Any, ...] | None = await (await conn.execute(query)).fetchone()
    assert found is not None
    return Counts(*found)


async def ended(url: str) -> int:
    """How many have succeeded; cheap, for whoever polls."""
    query = "select count(*) from ops.runs where state = 'succeeded'"
    async with await psycopg.AsyncConnection.connect(url) as conn:
        found = await (await conn.execute(query)).fetchone()
    assert found is not None
    return int(found[0])
