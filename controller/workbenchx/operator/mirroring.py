"""The cache into `ops.declared`: by changes, and once as a whole by whoever comes to lead.

Nothing is written before each kind was asked for once, and nothing is removed because it is missing from a kind that
could not be read to its end. While a burst of documents comes they are gathered for a moment (decision 184).
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

from workbenchx import errors
from workbenchx.api import identity
from workbenchx.engine import failpoints
from workbenchx.operator import bursts, cache
from workbenchx.planner import model
from workbenchx.store import cluster

LOG = logging.getLogger(__name__)
AGAIN_SECONDS = 1.0
MOST = 2000
GATHER_SECONDS = 0.5


class Mirror:
    """Writes what changed while `epoch()` answers that we lead. `ready(key)`: whether a key may be declared yet.

    `written` hears what has a new document; None: more than that.
    """

    def __init__(
        self,
        store: cluster.Cluster,
        known: cache.Cache,
        epoch: Callable[[], int | None],
        written: Callable[[frozenset[identity.Key] | None], None],
        ready: Callable[[identity.Key], bool],
        *,
        burst: bursts.Bursts,
    ) -> None:
        self._burst = burst
        self._store = store
        self._cache = known
        self._epoch = epoch
        self._written = written
        self._ready = ready
        self._wake = asyncio.Event()
        self._compared: int | None = None
        self._complete: bool | None = None

    def wake(self) -> None:
        """Something changed: the cache, or who leads."""
        self._wake.set()

    @property
    def compared(self) -> bool:
        """Whether, since we lead, all that is declared was compared with what we know."""
        return self._epoch() is not None and self._compared == self._epoch()

    async def serve(self) -> None:
        """Write for ever. A database that is away is waited for; what changed meanwhile is not forgotten."""
        while True:
            await self._wake.wait()
            await self._burst.over(GATHER_SECONDS)
            self._wake.clear()
            try:
                while await self._once():
                    pass
            except errors.WorkbenchError as problem:
                LOG.warning("mirror: %s", problem.message)
                await asyncio.sleep(AGAIN_SECONDS)
                self._wake.set()

    async def _once(self) -> bool:
        """One writing; whether another may follow at once."""
        epoch = self._epoch()
        if epoch is None or not self._cache.tried:
            return False
        if epoch != self._compared:
            await self._compare()
        keys = self._due()
        complete = self._cache.full and len(keys) < MOST
        known = (self._compared, self._complete) == (epoch, complete)
        if not keys and known:
            return False
        failpoints.reach("mirror.before")
        self._cache.dirty.difference_update(keys)
        try:
            changes = self._changes(keys, complete)
            wrote = await self._store.declare(epoch, cache.NAME, changes)
        except BaseException:
            self._cache.dirty.update(keys)
            raise
        if not wrote:
            self._cache.dirty.update(keys)
            return False
        failpoints.reach("mirror.after")
        self._compared, self._complete = epoch, complete
        self._written(frozenset(keys) if known and not changes.removed else None)
        return True

    async def _compare(self) -> None:
        """Whoever comes to lead takes nothing for granted that another wrote."""
        standing = await self._store.standing_declared(cache.NAME)
        self._cache.dirty |= set(differences(self._cache, standing))

    def _due(self) -> list[identity.Key]:
        due = (key for key in self._cache.dirty if self._ready(key))
        return [key for key, _ in zip(due, range(MOST), strict=False)]

    def _changes(self, keys: Iterable[identity.Key], complete: bool) -> cluster.Declarations:
        rows: list[model.Declared] = []
        removed: list[identity.Key] = []
        for key in keys:
            row = self._cache.row(key)
            if row is None:
                removed.append(key)
            else:
                rows.append(row)
        return cluster.Declarations(rows, removed, complete)


def differences(
    known: cache.Cache, standing: Mapping[identity.Key, cluster.Standing]
) -> Iterable[identity.Key]:
    """The keys of which the table says something else than the cache, as far as the cache can tell."""
    for key in known.declarations():
        if _differs(known.entries[key], standing.get(key)):
            yield key
    for key in standing:
        if known.listed(key.kind) and (key not in known.entries or known.entries[key].deleting):
            yield key


def _differs(entry: cache.Entry, said: cluster.Standing | None) -> bool:
    if said is None:
        return True
    if entry.problem is not None:
        return entry.problem != said[2]
    return entry.declared != said
