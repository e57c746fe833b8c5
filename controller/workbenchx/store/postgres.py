"""The one implementation of `ports.Store`, put together from its parts."""

from collections.abc import Mapping

from workbenchx.store import (
    anchors,
    asking,
    chores,
    cluster,
    codes,
    connections,
    declared,
    deliveries,
    events,
    gates,
    interventions,
    inventory,
    leadership,
    ledger,
    logs,
    notify,
    options,
    proposals,
    removals,
    reviews,
    runners,
    runs,
    settle,
    sources,
    takeover,
    verifying,
    world,
)


class Postgres(
    leadership.Leadership,
    declared.Mirror,
    world.Worlds,
    settle.Settling,
    runs.Runs,
    takeover.Takeover,
    events.Events,
    logs.Logs,
    ledger.Ledger,
    gates.Gates,
    options.Options,
    codes.Codes,
    sources.Sources,
    interventions.Interventions,
    proposals.Proposals,
    asking.Asking,
    inventory.Inventory,
    notify.Changes,
    anchors.Anchors,
    verifying.Verifying,
    chores.Chores,
    removals.Removals,
    cluster.Cluster,
    runners.Runners,
    deliveries.Deliveries,
    reviews.Reviews,
):
    """The `ops` schema at `url`, as the login `wbx_engine`. `close` it when done.

    `limits`: how many runs of a provider may be open at once, beside what the provider's own row says.
    """

    def __init__(self, url: str, *, most: int = 8, limits: Mapping[str, int] | None = None) -> None:
        self._db = connections.Connections(url, most=most)
        self._days: set[object] = set()
        self.limits = dict(limits or {})

    @property
    def connections(self) -> connections.Connections:
        """The connections, for what only reads."""
        return self._db

    async def close(self) -> None:
        """Give all connections back."""
        await self._db.close()
