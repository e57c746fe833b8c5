"""Events in bulk: written by COPY, and not to be told from those written one by one."""

import asyncio
from typing import Any

import pytest
import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx import ports
from workbenchx.store import connections, postgres

__all__ = ["database", "server", "store"]

MANY = 450
ODD: list[dict[str, Any]] = [
    {},
    {"text": 'tab\t, line\n, return\r, backslash \\ and \\n, quote ", null \\N'},
    {"text": "\x00 and \ud800 and \u2028 ü"},
    {"loss": float("nan"), "most": float("inf")},
    {"nested": [{"a": [1, 2.5, None, True]}], "\t": "\\."},
]


async def rows(store: postgres.Postgres, run_id: str) -> list[tuple[Any, ...]]:
    """The events of a run but for its identity and their times."""
    async with store.connections.transaction() as conn:
        query = (
            "select seq, type, actor, project_id::text, data from ops.run_events"
            " where run_id::text = %(id)s order by seq"
        )
        return await connections.fetch(conn, query, {"id": run_id})


async def runs_of(store: postgres.Postgres, count: int) -> list[str]:
    """New runs of the project."""
    _, uid = await worlds.project_with_job(store)
    orders = [worlds.order(uid, attempt=number + 1, operation="stop") for number in range(count)]
    assert await store.enqueue(orders)
    return [one.run_id for one in orders]


def odd(run_id: str, number: int) -> ports.Event:
    """An event with something in it that a format may trip over."""
    return ports.Event(run_id, "FindingReported", ODD[number % len(ODD)], f"eve\t\\N\n{number % 7}")


async def test_many_at_once_are_as_one_by_one(store: postgres.Postgres) -> None:
    """Same numbers, types, actors, project and data, whatever is in them; and both chains are intact."""
    at_once, singly = await runs_of(store, 2)
    await store.append_events([odd(at_once, number) for number in range(MANY)])
    for number in range(MANY):
        await store.append_events([odd(singly, number)])
    found = await rows(store, at_once)
    assert len(found) == MANY + 1
    assert found[1:] == (await rows(store, singly))[1:]
    assert {chain.verdict async for chain in store.verify([at_once, singly])} == {"intact"}


async def test_many_of_several_runs_are_one_link_of_each_chain(store: postgres.Postgres) -> None:
    """Mixed in one call, each run's events are numbered in its own chain; events of no run are nobody's."""
    ids = await runs_of(store, 3)
    told = [odd(run_id, number) for number in range(MANY // 3) for run_id in ids]
    await store.append_events([*told, odd(worlds.new_id(), 0)])
    chains = [chain async for chain in store.verify(ids)]
    assert [(chain.events, chain.verdict) for chain in chains] == [(MANY // 3 + 1, "intact")] * 3
    async with store.connections.transaction() as conn:
        query = "select count(*) from ops.event_batches where run_id::text = any(%(ids)s)"
        assert await connections.fetch(conn, query, {"ids": ids}) == [(6,)]


@pytest.mark.parametrize("count", [3, MANY])
async def test_writers_of_the_same_runs_wait_for_each_other(
    store: postgres.Postgres, count: int
) -> None:
    """Eight at once over the same runs, in opposite orders: no deadlock, no gap, no broken chain."""
    ids = await runs_of(store, 4)
    orders = [ids, ids[::-1]] * 4
    told = [[odd(run_id, n) for run_id in order for n in range(count // 4 + 1)] for order in orders]
    await asyncio.gather(*(store.append_events(each) for each in told))
    chains = [chain async for chain in store.verify(ids)]
    assert {chain.verdict for chain in chains} == {"intact"}
    assert {chain.events for chain in chains} == {8 * (count // 4 + 1) + 1}
