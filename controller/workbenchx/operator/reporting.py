"""Statuses to the API server: only what differs, only of what is committed, at most 32 at the same time.

While a burst of documents comes, few are: whoever applies them shares an API server with us (decision 184).

What an object is to say is worked out from a pass of the engine and compared with what the watch says that it has. The
same object is never written twice at once, and the newest status wins.
"""

import asyncio
import collections
import datetime
import json
import logging
from collections.abc import Callable

from workbenchx import errors
from workbenchx.api import identity
from workbenchx.engine import loop
from workbenchx.operator import bursts, cache, client, events, statuses

LOG = logging.getLogger(__name__)
AT_ONCE = 32
FEW = 2
LEAST_PAUSE, MOST_PAUSE = 0.5, 30.0
OVERRULE_PAUSE, RIVAL_SECONDS = 0.1, 60.0
_GONE, _BUSY = 404, 429
_NOTHING = b"{}"


class Reporter:
    """Writes while `leads()`; a follower works out the same and writes nothing."""

    def __init__(
        self,
        api: client.Client,
        known: cache.Cache,
        leads: Callable[[], bool],
        tell: Callable[[events.Told], None],
        *,
        burst: bursts.Bursts,
    ) -> None:
        self._api = api
        self._burst = burst
        self._tell = tell
        self._cache = known
        self._leads = leads
        self._told: collections.deque[identity.Key] = collections.deque()
        self._new: collections.deque[identity.Key] = collections.deque()
        self._queued: set[identity.Key] = set()
        self._tries: dict[identity.Key, int] = {}
        self._some = asyncio.Semaphore(0)
        self.idle = asyncio.Event()
        self.idle.set()
        self._not_before = 0.0
        self._rivals: dict[identity.Key, tuple[int, float]] = {}
        self._overruled: set[identity.Key] = set()
        self.writes = 0
        self.failures = 0

    @property
    def waiting(self) -> int:
        """How many objects are to be written."""
        return len(self._queued)

    def passed(self, done: loop.Pass) -> None:
        """Work out what every object is to say after a pass."""
        now = done.world.now
        for report in statuses.reports(done):
            entry = self._cache.entries.get(report.verdict.key)
            if entry is not None and _about(entry, report):
                seen = hash((_said(report), entry.generation))
                if entry.seen != seen or entry.wanted is None:
                    entry.seen = seen
                    self._want(report, entry, now)

    def restated(self) -> None:
        """The watch told of statuses: whoever changed one of ours gets it back, later each time they insist."""
        keys, self._cache.restated = self._cache.restated, set()
        for key in keys:
            entry = self._cache.entries.get(key)
            if entry is None or not entry.echo or entry.wanted in {None, entry.status}:
                self._look(key)
            elif key not in self._overruled:
                self._overrule(key)

    def _overrule(self, key: identity.Key) -> None:
        now = asyncio.get_running_loop()
        times, until = self._rivals.get(key, (0, 0.0))
        times = times + 1 if now.time() < until else 1
        pause = min(MOST_PAUSE, OVERRULE_PAUSE * 2 ** min(times - 1, 10))
        self._rivals[key] = times, now.time() + pause + RIVAL_SECONDS
        self._overruled.add(key)
        now.call_later(pause, self._overruled_now, key)

    def _overruled_now(self, key: identity.Key) -> None:
        self._overruled.discard(key)
        self._look(key)

    def lead(self) -> None:
        """We have come to lead: all that differs is ours to write."""
        for key in self._cache.entries:
            self._look(key)

    async def serve(self) -> None:
        """Write for ever."""
        async with asyncio.TaskGroup() as group:
            for number in range(AT_ONCE):
                group.create_task(self._write_for_ever(gives_way=number >= FEW))

    def _want(self, report: statuses.Report, entry: cache.Entry, now: datetime.datetime) -> None:
        previous = json.loads(entry.wanted if entry.wanted is not None else entry.status)
        wanted = statuses.render(report, generation=entry.generation, previous=previous, now=now)
        entry.wanted = entry.status if entry.status == wanted else wanted
        self._look(report.verdict.key)

    def _look(self, key: identity.Key) -> None:
        entry = self._cache.entries.get(key)
        if entry is None or entry.wanted in {None, entry.status} or key in self._queued:
            return
        if self._leads():
            self._queued.add(key)
            self.idle.clear()
            (self._new if entry.status == _NOTHING else self._told).append(key)
            self._some.release()

    async def _write_for_ever(self, *, gives_way: bool) -> None:
        loop_ = asyncio.get_running_loop()
        while True:
            await self._some.acquire()
            if gives_way and (left := self._burst.left):
                self._some.release()
                await asyncio.sleep(left)
                continue
            key = (self._told or self._new).popleft()
            await asyncio.sleep(max(0.0, self._not_before - loop_.time()))
            entry = self._cache.entries.get(key)
            again = 0.0
            if entry is not None and entry.wanted is not None and self._leads():
                again = await self._write(key, entry, entry.wanted)
            self._queued.discard(key)
            if not self._queued:
                self.idle.set()
            if again:
                loop_.call_later(again, self._look, key)

    async def _write(self, key: identity.Key, entry: cache.Entry, wanted: bytes) -> float:
        """One write; seconds after which to look again, 0: done."""
        if wanted == entry.status:
            return 0.0
        body = statuses.document(key, entry.uid, wanted)
        try:
            answer = await self._api.apply_status(*key, body)
        except errors.WorkbenchError as problem:
            return self._failed(key, problem.message, None)
        if answer.done:
            self.writes += 1
            self._tries.pop(key, None)
            told = events.of(key, entry.uid, json.loads(entry.status), json.loads(wanted))
            if told is not None:
                self._tell(told)
            entry.status, entry.echo = wanted, answer.version
            return 0.001 if entry.wanted != wanted else 0.0
        if answer.code == _GONE:
            return 0.0  # the watch tells
        if answer.code == _BUSY:
            pause = answer.retry_after or 1.0
            self._not_before = asyncio.get_running_loop().time() + pause
            return self._failed(key, answer.message, pause)
        return self._failed(key, answer.message, answer.retry_after)

    def _failed(self, key: identity.Key, message: str, pause: float | None) -> float:
        self.failures += 1
        tries = self._tries[key] = self._tries.get(key, 0) + 1
        log = LOG.warning if tries in {1, 10, 100, 1000} else LOG.debug
        log("status of %s: %s", key, message)
        return pause or min(MOST_PAUSE, LEAST_PAUSE * 2 ** min(tries, 10))


def _about(entry: cache.Entry, report: statuses.Report) -> bool:
    """Whether the pass judged the object as it stands now; a pass to come will, otherwise."""
    if report.declared is None or entry.deleting:
        return entry.deleting and report.declared is None
    if entry.problem is not None:
        return report.declared.problem == entry.problem
    return report.declared.problem is None and report.declared.hash == entry.hash


def _said(report: statuses.Report) -> tuple[object, ...]:
    verdict = report.verdict
    facts = json.dumps(report.facts, sort_keys=True, default=str) if report.facts else ""
    told = (verdict.state, verdict.ready, verdict.reason, verdict.message)
    return (*told, report.last_run_id, report.external_id, facts, report.source)
