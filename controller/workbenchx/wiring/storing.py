"""The storage of a cluster installation, for who is no worker: commands that audit, and the console.

Which one it is stands in the recorded provider objects; the credentials that they refer to must be where this process
looks. Nothing is connected before it is used.
"""

import contextlib
import dataclasses
import functools
import time
from collections.abc import AsyncIterator

from workbenchx import ports
from workbenchx.providers.storage import several
from workbenchx.store import connections, options, postgres, reads
from workbenchx.wiring import adapters, cluster, settings

LOOK_SECONDS = 15.0


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """What an audit compares: the database, and what the storage has kept of it."""

    store: postgres.Postgres
    reads: reads.Reads
    storage: ports.StorageProvider
    installation: ports.Installation
    clock: ports.Clock


@contextlib.asynccontextmanager
async def open(chosen: settings.Settings) -> AsyncIterator[Kept]:  # noqa: A001 - storing.open reads as what it is
    """Database and storage of a cluster installation, as the login `wbx_engine`.

    Raises:
        errors.Stalled: as `cluster.open` and `adapters.pick_storage`.
        errors.Waiting: the database does not answer.
    """
    async with cluster.open(chosen) as joined, contextlib.AsyncExitStack() as stack:
        storage = adapters.pick_storage(
            wanted(await joined.store.options(), chosen), stack, joined.store.storages_with
        )
        yield Kept(joined.store, joined.reads, storage, joined.installation, joined.clock)


@dataclasses.dataclass(frozen=True, slots=True)
class Choices:
    """The `ports.Storages` of a worker: what a Project chose is asked for at each use, so that one field moves it."""

    store: postgres.Postgres
    places: several.Places

    async def of(self, project: str | None) -> ports.StorageProvider:
        """See ports.Storages.of."""
        first = await self.store.storage_of(project) if project else None
        return several.Several(self.places, self.store.storages_with, first)


class Shelf:
    """The storage as it is recorded now: looked up as whoever asks, every few seconds at most."""

    def __init__(self, chosen: settings.Settings) -> None:
        self._chosen = chosen
        self._stack = contextlib.AsyncExitStack()
        self._made: tuple[adapters.Wanted, several.Places] | None = None
        self._looked = -LOOK_SECONDS

    async def storage(self, source: connections.Transactions) -> ports.StorageProvider:
        """The storage; where bytes lie is asked for as whoever asks.

        Raises:
            errors.Stalled: as `adapters.pick_storage`.
        """
        if self._made is None or time.monotonic() - self._looked > LOOK_SECONDS:
            now = wanted(await options.recorded(source), self._chosen)
            if self._made is None or self._made[0] != now:
                # Who reads from the one before may go on: it is closed with the shelf.
                self._made = now, adapters.pick_places(now, self._stack)
            self._looked = time.monotonic()
        return several.Several(self._made[1], functools.partial(options.whereabouts, source))

    async def close(self) -> None:
        """Close whatever is open."""
        await self._stack.aclose()


def wanted(found: tuple[ports.Option, ...], chosen: settings.Settings) -> adapters.Wanted:
    """What decides the storage, and nothing else."""
    kept = tuple(each for each in found if each.kind == "StorageProvider")
    return adapters.Wanted(kept, chosen.stand_in, chosen.stand_in_storage)
