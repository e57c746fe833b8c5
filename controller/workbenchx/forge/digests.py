"""What tags name, remembered for a while: a registry is asked seldom, one repository's tags one after another, and never while it rests.

Answers are kept in memory, as many as fit; a process that begins anew asks anew. Nothing that is old is told as new:
a registry that does not answer leaves a tag unknown.
"""

import asyncio
import collections
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from workbenchx import errors
from workbenchx.forge import registry

FRESH_SECONDS = 300.0
REST_SECONDS = 60.0
_MOST = 10_000


class Answer(NamedTuple):
    """What a tag named at a time; None: there was no such tag."""

    digest: str | None
    at: float


class Digests:
    """A `ports.Registry` that remembers. `fresh`: for how many seconds an answer counts; `most`: of how many tags it is kept."""

    def __init__(
        self,
        asked: registry.Registry,
        *,
        fresh: float = FRESH_SECONDS,
        most: int = _MOST,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._asked = asked
        self._fresh = fresh
        self._most = most
        self._now = now
        self._kept: collections.OrderedDict[registry.Reference, Answer] = collections.OrderedDict()
        self._rests: dict[str, tuple[float, registry.Away]] = {}
        self._turns: dict[tuple[str, str], tuple[asyncio.Lock, int]] = {}

    async def digest(self, image: str) -> str | None:
        """See ports.Registry.digest.

        Raises:
            errors.Waiting: as forge.registry does; at once where the registry told us to wait, or did not answer a moment ago.
        """
        wanted = registry.read(image)
        async with self._turn(wanted):
            before = self._kept.get(wanted)
            if before is not None and self._now() - before.at < self._fresh:
                self._kept.move_to_end(wanted)
                return before.digest
            self._check_rest(wanted.host)
            try:
                found = await self._asked.digest(image, known=before.digest if before else None)
            except registry.Away as away:
                self._rests[wanted.host] = (self._now() + self._rest(away), away)
                raise
            self._keep(wanted, found)
            return found

    def _keep(self, wanted: registry.Reference, found: str | None) -> None:
        self._kept[wanted] = Answer(found, self._now())
        self._kept.move_to_end(wanted)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def _check_rest(self, host: str) -> None:
        until, away = self._rests.get(host, (0.0, None))
        left = until - self._now()
        if away is None or left <= 0:
            self._rests.pop(host, None)
            return
        raise errors.Waiting(away.message, reason=away.reason, retry_after=left)

    def _rest(self, away: registry.Away) -> float:
        """A limit is obeyed to the second; an outage is looked at again soon."""
        limited = away.reason == "RateLimited"
        return away.retry_after if limited else min(away.retry_after, REST_SECONDS)

    @contextlib.asynccontextmanager
    async def _turn(self, wanted: registry.Reference) -> AsyncIterator[None]:
        """One question to a repository at a time, so that one sign-in serves all, and one answer everybody who asks."""
        place = (wanted.host, wanted.name)
        lock, waiting = self._turns.get(place, (asyncio.Lock(), 0))
        self._turns[place] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            waiting = self._turns[place][1] - 1
            if waiting:
                self._turns[place] = (lock, waiting)
            else:
                del self._turns[place]
