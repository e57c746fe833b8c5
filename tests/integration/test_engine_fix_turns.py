"""FixBot's turns: real rows in Postgres; whatever a pass meets, the worker lives and the source is looked after again."""

import asyncio
import dataclasses
from collections.abc import Sequence

import pytest
from store_fixtures import database, server, store

from workbenchx import errors
from workbenchx.engine import clock
from workbenchx.engine.fixing import serving
from workbenchx.store import postgres

__all__ = ["database", "server", "store"]
SOURCE = "wbx-system/platform"


@dataclasses.dataclass
class Site:
    """One source. What a look at it meets: an error, or (None) that it takes for ever."""

    problem: Exception | None
    begun: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)

    async def names(self) -> Sequence[str]:
        """As the port's."""
        return [SOURCE]

    async def job(self, source: str) -> serving.Job | None:
        """As the port's."""
        assert source == SOURCE
        self.begun.set()
        if self.problem is None:
            await asyncio.Event().wait()
        else:
            raise self.problem
        return None


def keeper(store: postgres.Postgres, site: Site) -> serving.Keeper:
    """FixBot of a process."""
    return serving.Keeper(store, site, clock.SystemClock(), name="fixbot/one")


async def within(store: postgres.Postgres, seconds: float) -> bool:
    """Whether the source is free, and due so soon."""
    async with store.connections.transaction() as conn:
        found = await conn.execute(
            "select lease_until = '-infinity' and due_at <= now() + make_interval(secs => %s)"
            " from ops.fix_turns where source = %s",
            (seconds, SOURCE),
        )
        return [row[0] for row in await found.fetchall()] == [True]


@pytest.mark.parametrize(
    "problem",
    [
        errors.Waiting("forge: away", reason="ForgeUnavailable", retry_after=1.0),
        errors.Conflict("push: somebody was faster"),
    ],
)
async def test_what_passes_is_tried_again_soon(
    store: postgres.Postgres, problem: errors.WorkbenchError
) -> None:
    """Not after the long pause of a pass that came to its end."""
    assert await keeper(store, Site(problem)).look() == []
    assert await within(store, serving.SOON_SECONDS)


async def test_a_pass_that_is_interrupted_is_due_again_soon(store: postgres.Postgres) -> None:
    """A worker that picks its adapters anew, or ends, cancels it."""
    site = Site(None)
    looking = asyncio.create_task(keeper(store, site).look())
    await site.begun.wait()
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    assert await within(store, serving.SOON_SECONDS)


@pytest.mark.parametrize("problem", [RuntimeError("a bug"), errors.Stalled("no", reason="Stalled")])
async def test_no_pass_ends_the_worker(store: postgres.Postgres, problem: Exception) -> None:
    """What a person must mend, and a bug of ours, are told and looked at again later."""
    assert await keeper(store, Site(problem)).look() == []
    assert await within(store, serving.PAUSE_SECONDS)


async def test_a_lease_that_ran_out_is_kept_unless_somebody_took_it(
    store: postgres.Postgres,
) -> None:
    """A machine that is too busy to renew in time does not lose a pass that nobody else began."""
    assert await store.take_turn(SOURCE, "one", lease=-1)
    assert await store.keep_turn(SOURCE, "one", lease=-1)
    assert await store.take_turn(SOURCE, "two", lease=60)
    assert not await store.keep_turn(SOURCE, "one", lease=60)
    assert await store.keep_turn(SOURCE, "two", lease=60)
