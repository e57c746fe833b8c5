"""Our finalizer: on before the first intent, off once the ledger says that nothing is left at a provider.

Only on kinds that something is executed for. Kinds that are rows alone have none: their delete needs nobody to be there.
Without the finalizer an object is not declared to the planner, so nothing is made for what could vanish unseen.
"""

import asyncio
import collections
import logging
from collections.abc import Callable, Iterable

from workbenchx import errors
from workbenchx.api import identity, registry
from workbenchx.engine import loop
from workbenchx.operator import cache, client
from workbenchx.store import cluster

LOG = logging.getLogger(__name__)
AT_ONCE = 8
AGAIN_SECONDS = 2.0
_GONE = 404


def needed(kind: str) -> bool:
    """Whether something of the kind may live at a provider."""
    return registry.KINDS[kind].executable


class Finalizers:
    """Puts finalizers on and takes them off while `leads()`. `changed`: an object may be declared now."""

    def __init__(
        self,
        store: cluster.Cluster,
        api: client.Client,
        known: cache.Cache,
        leads: Callable[[], bool],
        changed: Callable[[], None],
    ) -> None:
        self._store = store
        self._api = api
        self._cache = known
        self._leads = leads
        self._changed = changed
        self._due: collections.deque[identity.Key] = collections.deque()
        self._queued: set[identity.Key] = set()
        self._some = asyncio.Semaphore(0)
        self._ending: set[identity.Key] = set()
        self._ended = asyncio.Event()
        self._released: set[identity.Key] = set()

    def fixed(self, key: identity.Key) -> bool:
        """Whether a key may be declared (or be declared no more)."""
        entry = self._cache.entries.get(key)
        return entry is None or entry.deleting or entry.finalized or not needed(key.kind)

    def noticed(self, keys: Iterable[identity.Key]) -> None:
        """Put it on what lacks it."""
        if self._leads():
            for key in keys:
                if not self.fixed(key):
                    self._queue(key)

    def passed(self, done: loop.Pass) -> None:
        """After a pass that found an object neither declared nor recorded, no later one makes anything for it."""
        if not self._leads() or done.world.part is not None:
            return
        ending = {
            key
            for key, entry in self._cache.entries.items()
            if entry.deleting and entry.finalized and key not in self._cache.dirty
        }
        if ending:
            ending -= {row.key for row in done.world.declared}
            ending -= {row.key for row in done.world.recorded}
        self._ending = ending
        if ending:
            self._ended.set()

    async def serve(self) -> None:
        """Work for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._release_for_ever())
            for _ in range(AT_ONCE):
                group.create_task(self._write_for_ever())

    def _queue(self, key: identity.Key) -> None:
        if key not in self._queued:
            self._queued.add(key)
            self._due.append(key)
            self._some.release()

    async def _release_for_ever(self) -> None:
        while True:
            await self._ended.wait()
            self._ended.clear()
            try:
                held = await self._store.unreleased(self._ending)
                for key in self._ending - held:
                    self._released.add(key)
                    self._queue(key)
            except errors.WorkbenchError as problem:
                LOG.warning("finalizers: %s", problem.message)
                held = self._ending
            if held and self._leads():
                await asyncio.sleep(AGAIN_SECONDS)
                self._ended.set()

    async def _write_for_ever(self) -> None:
        while True:
            await self._some.acquire()
            key = self._due.popleft()
            done = False
            try:
                done = await self._write(key)
            except errors.WorkbenchError as problem:
                LOG.warning("finalizer of %s: %s", key, problem.message)
            self._queued.discard(key)
            if not done and self._leads():
                asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._queue, key)

    async def _write(self, key: identity.Key) -> bool:
        """One write; whether there is nothing more to do."""
        entry, gone = self._cache.entries.get(key), key in self._released
        if entry is None or entry.finalized != gone or entry.deleting != gone:
            self._released.discard(key)
            return True
        wanted = () if gone else (client.FINALIZER,)
        answer = await self._api.apply_finalizer(*key, entry.uid, wanted)
        if answer.done and gone:
            answer = await self._api.cut_finalizer(*key, answer)
        if answer.done:
            entry.finalized = not gone
            self._released.discard(key)
            self._changed()
        elif answer.code != _GONE:
            LOG.warning("finalizer of %s: %s", key, answer.message)
            return False
        return True
