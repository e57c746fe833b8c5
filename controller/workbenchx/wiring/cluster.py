"""A database of the user's own, connected: what worker and operator have in common.

One database is one installation. Nothing here starts a server or migrates: who may do that is not who works.
"""

import contextlib
import dataclasses
from collections.abc import AsyncIterator

from workbenchx import errors, ports
from workbenchx.engine import clock
from workbenchx.planner import model
from workbenchx.store import migrate, postgres, reads
from workbenchx.wiring import policies, settings


@dataclasses.dataclass(frozen=True, slots=True)
class Cluster:
    """The database of a cluster installation, and whose it is."""

    settings: settings.Settings
    store: postgres.Postgres
    reads: reads.Reads
    installation: ports.Installation
    clock: ports.Clock

    @property
    def policy(self) -> model.Policy:
        """The planner's settings."""
        return policies.of(self.settings, self.installation)


@contextlib.asynccontextmanager
async def open(  # noqa: A001 - cluster.open reads as what it is
    chosen: settings.Settings, *, cluster_uid: str | None = None, most: int = 8
) -> AsyncIterator[Cluster]:
    """The database of the settings, as the login `wbx_engine`, migrated and ours.

    `cluster_uid`: the cluster that this process works for; None: it works for none in particular.

    Raises:
        errors.Stalled: reason BadSettings, DatabaseNotMigrated, OtherCluster, or what the database refuses.
        errors.Waiting: reason DatabaseUnavailable.
    """
    store = postgres.Postgres(url(chosen), most=most)
    asked = reads.Reads(store.connections)
    try:
        await check_migrations(asked)
        if cluster_uid is not None:
            await store.join(cluster_uid)
        installation = await store.installation()
        yield Cluster(chosen, store, asked, installation, clock.SystemClock())
    finally:
        await store.close()


def url(chosen: settings.Settings) -> str:
    """Where the database is.

    Raises:
        errors.Stalled: reason BadSettings: the settings name none, or `local` would stand in on it.
    """
    if not chosen.database_url:
        raise errors.Stalled(
            "settings: this needs a database of your own: set WBX_DATABASE_URL to it, as the login wbx_engine"
            " (embedded, wbx up does all of it)",
            reason="BadSettings",
        )
    if chosen.stand_in == "local":
        raise errors.Stalled(
            'settings: stand_in is "local", which works on the embedded database only;'
            " unset WBX_STAND_IN, or unset WBX_DATABASE_URL",
            reason="BadSettings",
        )
    return chosen.database_url


async def check_migrations(asked: reads.Reads) -> None:
    """Refuse a database that is older than this program; a newer one may serve both.

    Raises:
        errors.Stalled: reason DatabaseNotMigrated.
    """
    applied = frozenset(await asked.applied_migrations())
    missing = [step.version for step in migrate.available() if step.version not in applied]
    if missing:
        raise errors.Stalled(
            f'database: migration "{missing[0]}" is missing; run wbx db migrate',
            reason="DatabaseNotMigrated",
        )
