"""Housekeeping: what a worker does from time to time beside runs: anchors, days of output, old plans, retention.

Any number of workers may offer; `ops.chores` gives each chore to one of them at a time, with a lease. Every chore can be
interrupted anywhere and done again. Nothing here is urgent: who serves only for a moment keeps no house.
"""

import asyncio
import contextlib
import dataclasses
import datetime
import logging
import random
from collections.abc import Awaitable, Callable, Mapping

from workbenchx import errors, ports
from workbenchx.engine import anchoring, logdays, patience, retention

LOG = logging.getLogger(__name__)
BEGIN_SECONDS = 2.0
LEASE_SECONDS = 300.0
LOOK_SECONDS = 600.0
AGAIN = datetime.timedelta(minutes=15)
HOUR = datetime.timedelta(hours=1)
PLANS = datetime.timedelta(days=90)
PROBES_KEPT = 100


@dataclasses.dataclass(frozen=True, slots=True)
class House:
    """What chores work with."""

    store: ports.Keeping
    storage: ports.StorageProvider
    installation: str
    clock: ports.Clock


async def _anchor(house: House) -> str:
    before = _midnight(house.clock.now())
    made = await anchoring.anchor(house.store, house.storage, house.installation, before=before)
    if made is None:
        return "nothing to anchor"
    return f"anchor {made.number} over {made.runs} runs, root {made.root}"


async def _logs(house: House) -> str:
    return await logdays.keep(house.store, house.storage, house.clock.now().date())


async def _plans(house: House) -> str:
    before = house.clock.now() - PLANS
    plans = await house.store.prune_plans(before)
    returned = await house.store.prune_reservations(before)
    answers = await house.store.prune_fixes(before)
    return f"{plans} plans forgotten, {returned} reservations that were given back, {answers} answers of models"


async def _retention(house: House) -> str:
    now = house.clock.now()
    kept = await retention.keep(house.store, house.storage, now)
    probes = await house.store.prune_probes(now - HOUR, keep=PROBES_KEPT)
    return f"{kept}, {probes} runs of probes forgotten"


_CHORES: Mapping[str, Callable[[House], Awaitable[str]]] = {
    "anchor": _anchor,
    "logs": _logs,
    "plans": _plans,
    "retention": _retention,
}


class Housekeeper:
    """Keeps house for one process, until cancelled."""

    def __init__(self, house: House, *, name: str) -> None:
        self._house = house
        self._name = name

    async def serve(self) -> None:
        """Do what is due, whenever it is."""
        await asyncio.sleep(BEGIN_SECONDS)
        while True:
            with patience.database_pauses():
                await self.look()
            await asyncio.sleep(await self._pause())

    async def look(self) -> list[str]:
        """Do everything that is due now; the names of what was done."""
        done = []
        store, clock = self._house.store, self._house.clock
        while name := await store.claim_chore(self._name, now=clock.now(), lease=LEASE_SECONDS):
            await self._do(name)
            done.append(name)
        return done

    async def _do(self, name: str) -> None:
        due_at, message, ended = None, "interrupted", False
        try:
            message = await self._leased(name)
            due_at, ended = _again(name, self._house.clock.now()), True
            LOG.info("%s: %s", name, message)
        except errors.WorkbenchError as problem:
            # Members read this row: what storage or database said in detail is for the log.
            due_at, message = self._house.clock.now() + AGAIN, _told(problem.reason)
            LOG.warning("%s: %s", name, problem.message)
        except Exception as bug:
            due_at, message = self._house.clock.now() + HOUR, _told(type(bug).__name__)
            LOG.exception("%s: a bug in WorkbenchX", name)
        finally:
            with contextlib.suppress(errors.WorkbenchError):
                await self._house.store.conclude_chore(
                    name, self._name, due_at=due_at, message=message, done=ended
                )

    async def _leased(self, name: str) -> str:
        """Do it while its lease is renewed; whoever loses the lease stops at once."""
        work = asyncio.ensure_future(_CHORES[name](self._house))
        try:
            while not (await asyncio.wait([work], timeout=LEASE_SECONDS / 3))[0]:
                if not await self._house.store.renew_chore(name, self._name, lease=LEASE_SECONDS):
                    raise errors.Conflict(f"{name}: another worker has taken it over")
            return await work
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _pause(self) -> float:
        """Until the next is due: not long after, and not all workers at once."""
        with patience.database_pauses():
            if due := await self._house.store.next_chore():
                left = (due - self._house.clock.now()).total_seconds()
                return min(max(left, 1.0), LOOK_SECONDS) + random.uniform(0.0, 5.0)  # noqa: S311 - jitter, not a secret
        return random.uniform(30.0, 60.0)  # noqa: S311 - the same


def _told(why: str) -> str:
    return f"not done: {why or 'failed'}; the log of the worker says more"


def _again(name: str, now: datetime.datetime) -> datetime.datetime:
    """When it is to be done next: retention every hour, the others shortly after midnight UTC."""
    if name == "retention":
        return now + HOUR
    return _midnight(now) + datetime.timedelta(days=1, minutes=5)


def _midnight(now: datetime.datetime) -> datetime.datetime:
    """The beginning of the day in UTC."""
    return now.astimezone(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
