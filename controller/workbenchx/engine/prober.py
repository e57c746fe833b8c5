"""Health of served apps, looked at again and again for as long as they run.

An app became Ready by its first good answer (operations/create). From then on it is asked every `health.interval`; after
`health.failures` bad answers in a row its observation says so and the planner says Unhealthy, until it answers well again.
Nothing is restarted: a program that lives is not ended by a slow answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from workbenchx import ports
from workbenchx.engine import patience

_LOOK_SECONDS = 5.0
_LEAST_SECONDS = 0.2

Probe = Callable[[str, float], Awaitable[bool]]


class Prober:
    """Asks the apps that this installation serves. Several processes may: they say the same."""

    def __init__(self, store: ports.Store, probe: Probe) -> None:
        self._store = store
        self._probe = probe
        self._due: dict[str, float] = {}
        self._failed: dict[str, int] = {}

    async def serve(self) -> None:
        """Look until cancelled."""
        while True:
            with patience.database_pauses():
                await self.look()
            await asyncio.sleep(self._pause())

    async def look(self) -> None:
        """Ask every app whose time has come; write down what changed."""
        served = await self._store.served()
        self._forget_others(served)
        now = asyncio.get_running_loop().time()
        due = [app for app in served if self._due.get(app.external_id, now) <= now]
        await asyncio.gather(*(self._ask(app) for app in due))

    async def _ask(self, app: ports.Served) -> None:
        well = await self._probe(app.url, app.timeout)
        self._due[app.external_id] = asyncio.get_running_loop().time() + app.interval
        failed = 0 if well else self._failed.get(app.external_id, 0) + 1
        self._failed[app.external_id] = failed
        if well and not app.healthy:
            await self._store.record_health(app.provider, app.external_id, healthy=True)
        elif app.healthy and failed >= app.failures:
            await self._store.record_health(app.provider, app.external_id, healthy=False)

    def _forget_others(self, served: Sequence[ports.Served]) -> None:
        names = {app.external_id for app in served}
        for kept in (self._due, self._failed):
            for name in kept.keys() - names:
                del kept[name]

    def _pause(self) -> float:
        """Seconds until an app is due, or new ones are looked for."""
        now = asyncio.get_running_loop().time()
        waits = [due - now for due in self._due.values()]
        return max(_LEAST_SECONDS, min([_LOOK_SECONDS, *waits]))
