"""FixBot of a worker: looks after each source in turn, for as long as the worker serves.

One worker at a time is FixBot of a source, by a lease. A pass can be interrupted anywhere; the next one goes on, and soon:
only what came to its end, or needs a person, is left alone for long. No pass ends the worker.
"""

import asyncio
import contextlib
import dataclasses
import logging
import random
from collections.abc import Sequence
from typing import Protocol

from workbenchx import errors, ports
from workbenchx.engine import patience
from workbenchx.engine.fixing import allowing, bot

LOG = logging.getLogger(__name__)
LEASE_SECONDS = 60.0
PAUSE_SECONDS = 120.0
SOON_SECONDS = 15.0
LOOK_SECONDS = 30.0
_LONGEST_PAUSE = 3600.0


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """One pass over a source: where, with what, and what it may do."""

    at: bot.Repository
    hands: bot.Hands
    allowed: allowing.Allowed
    limits: allowing.Limits


class Sites(Protocol):
    """The sources that FixBot is on for."""

    async def names(self) -> Sequence[str]:
        """Of all, in order."""

    async def job(self, source: str) -> Job | None:
        """What a pass needs; None: there is nothing to look at now, such as a commit that is not applied yet.

        Raises:
            errors.Stalled: a person must act. errors.Waiting: time must pass.
        """


class Keeper:
    """FixBot for one process."""

    def __init__(
        self, store: ports.Proposals, sites: Sites, clock: ports.Clock, *, name: str
    ) -> None:
        self._store = store
        self._sites = sites
        self._clock = clock
        self._name = name
        self._failed: dict[str, int] = {}

    async def serve(self) -> None:
        """Look until cancelled."""
        while True:
            with patience.database_pauses():
                await self.look()
            await asyncio.sleep(LOOK_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret

    async def look(self) -> list[str]:
        """Look after every source that is due; what was done."""
        done: list[str] = []
        for source in await self._sites.names():
            if await self._store.take_turn(source, self._name, lease=LEASE_SECONDS):
                done += await self._turn(source)
        return done

    async def _turn(self, source: str) -> list[str]:
        """One pass, while nobody else is at it; what was done. Interrupted, it is due again soon."""
        pause = SOON_SECONDS
        work = asyncio.ensure_future(self._pass(source))
        try:
            while not (await asyncio.wait([work], timeout=LEASE_SECONDS / 3))[0]:
                if not await self._store.keep_turn(source, self._name, lease=LEASE_SECONDS):
                    return []
            with patience.bugs_told(f"fixbot of {source}"):
                pause, done = await work
            self._failed.pop(source, None)
            return done  # noqa: TRY300 - the pause is for what follows
        except errors.WorkbenchError as problem:
            if problem.reason == "DatabaseUnavailable":
                raise
            pause = self._rest(source, problem)
            LOG.warning("fixbot of %s: %s", source, problem.message)
            return []
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            with contextlib.suppress(errors.WorkbenchError):
                await self._store.end_turn(source, self._name, pause=pause)

    def _rest(self, source: str, problem: errors.WorkbenchError) -> float:
        """For how long to pause: what passes is tried again soon, and less and less soon; as late as a forge asks for."""
        if isinstance(problem, errors.Stalled):
            return PAUSE_SECONDS
        times = self._failed.get(source, 0)
        self._failed[source] = times + 1
        pause = min(PAUSE_SECONDS, SOON_SECONDS * 2.0 ** min(times, 10))
        after = problem.retry_after if isinstance(problem, errors.Waiting) else 0.0
        return min(max(pause, after), _LONGEST_PAUSE)

    async def _pass(self, source: str) -> tuple[float, list[str]]:
        """For how long to pause, and what was done."""
        job = await self._sites.job(source)
        if job is None:
            return SOON_SECONDS, []
        working = bot.Bot(self._store, job.hands, self._clock, job.limits)
        done = await working.work(job.at, job.allowed)
        for sentence in done.done:
            LOG.info("fixbot of %s: %s", source, sentence)
        return PAUSE_SECONDS, done.done
