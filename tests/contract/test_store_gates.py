"""`ops.provider_gates`: what all workers obey together when they call a provider."""

import asyncio

from store_fixtures import database, server, store

from workbenchx import ports
from workbenchx.store import postgres

__all__ = ["database", "server", "store"]
RULES = ports.Breaker(threshold=3, pause=600.0, longest=3600.0)


async def gate(store: postgres.Postgres) -> ports.Gate:
    """The one gate."""
    (found,) = (await store.gates()).values()
    return found


async def test_nothing_is_held_at_first(store: postgres.Postgres) -> None:
    """No row: the way is free."""
    assert await store.gates() == {}


async def test_shares_of_a_minute_never_exceed_it(store: postgres.Postgres) -> None:
    """Twenty at once take no more than there is, whatever they want, and get to know when the next minute begins."""
    taken = await asyncio.gather(*(store.reserve("box", wanted=7, most=50) for _ in range(20)))
    given = [each for each, _ in taken]
    minutes = 1 if all(0 < seconds <= 60 for _, seconds in taken) else 0
    assert minutes == 1
    # The minute may have turned while they asked.
    assert sum(given) in range(50, 101)
    assert max(given) <= 7


async def test_the_longest_wish_to_slow_down_counts(store: postgres.Postgres) -> None:
    """A shorter one that comes later does not shorten it; it is no outage."""
    await store.hold("box", seconds=1000, message="429")
    await store.hold("box", seconds=10, message="again")
    found = await gate(store)
    assert (found.held > 500, found.message, found.open) == (True, "429", False)


async def test_who_fails_late_says_nothing_new(store: postgres.Postgres) -> None:
    """Left alone once, the pause does not grow by those that called before."""
    for message in ("503", "503 late"):
        await store.leave_alone("box", message, RULES)
    found = await gate(store)
    assert (found.open, found.message, 300 < found.retry <= 600) == (True, "503", True)


async def test_one_of_all_tries_and_its_answer_closes(store: postgres.Postgres) -> None:
    """Nobody before the pause is over; then exactly one."""
    await store.leave_alone("box", "503", RULES)
    assert not await store.probe("box", seconds=600)
    await due(store)
    tries = await asyncio.gather(*(store.probe("box", seconds=600) for _ in range(8)))
    assert sum(tries) == 1
    await store.answers("box")
    found = await gate(store)
    assert (found.open, found.message) == (False, "")


async def test_a_failed_try_waits_for_twice_as_long(store: postgres.Postgres) -> None:
    """600 seconds, then 1,200, and no more than the longest."""
    await store.leave_alone("box", "503", RULES)
    pauses = []
    for _ in range(3):
        await due(store)
        assert await store.probe("box", seconds=600)
        await store.leave_alone("box", "503", RULES)
        pauses.append((await gate(store)).retry)
    assert [round(each / 600) for each in pauses] == [2, 4, 6]


async def due(store: postgres.Postgres) -> None:
    """The pause is over."""
    async with store.connections.transaction() as conn:
        await conn.execute("update ops.provider_gates set retry_at = now() - interval '1 second'")
