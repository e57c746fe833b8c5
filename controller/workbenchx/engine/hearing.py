"""Webhooks that were received: whoever looks at their repository is told to look sooner. They are hints, the poll is the truth."""

from collections.abc import Awaitable, Callable

from workbenchx import ports
from workbenchx.engine import patience

Tell = Callable[[ports.Delivery], Awaitable[object]]


class Hearer:
    """Passes deliveries on. Any number of workers may: a hint that is passed on twice is one look."""

    def __init__(self, deliveries: ports.Deliveries, tell: Tell) -> None:
        self._deliveries = deliveries
        self._tell = tell

    async def serve(self) -> None:
        """Listen until cancelled."""
        async for _ in patience.surviving(self._deliveries.delivered):
            with patience.database_pauses():
                await self.look()

    async def look(self) -> int:
        """Pass on what nobody has handled; how many. A crash before the last line passes it on once more."""
        found = await self._deliveries.open_deliveries()
        for one in found:
            await self._tell(one)
        if found:
            await self._deliveries.handle_deliveries(found)
        return len(found)
