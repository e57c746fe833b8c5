"""`ops.provider_gates`: rate limits and outages of providers, as all workers obey them together."""

from collections.abc import Mapping
from typing import Any

from workbenchx import ports
from workbenchx.store import connections, encode, queries

_SQL = queries.load("gates")


class Gates:
    """The part of the store that `ports.Gates` asks for."""

    _db: connections.Connections

    async def gates(self) -> Mapping[str, ports.Gate]:
        """Every gate by provider; one that was never needed and has no limit is absent."""
        async with self._db.transaction() as conn:
            return {
                row[0]: ports.Gate(*row) for row in await connections.fetch(conn, _SQL["gates"])
            }

    async def reserve(self, provider: str, *, wanted: int, most: int) -> tuple[int, float]:
        """A share of the minute's calls, and the seconds until the next minute."""
        params = {"provider": provider, "wanted": wanted, "most": most}
        async with self._db.transaction(pipelined=True) as conn:
            await conn.execute(_SQL["gate"], params)
            ((given, seconds),) = await connections.fetch(conn, _SQL["reserve"], params)
        return given, seconds

    async def hold(self, provider: str, *, seconds: float, message: str) -> None:
        """Nobody calls the provider for so long."""
        await self._say("hold", provider, seconds=seconds, message=encode.text(message))

    async def leave_alone(self, provider: str, message: str, breaker: ports.Breaker) -> None:
        """It does not answer."""
        pauses = {"pause": breaker.pause, "longest": breaker.longest}
        await self._say("leave_alone", provider, **pauses, message=encode.text(message))

    async def answers(self, provider: str) -> None:
        """It answered a probe."""
        await self._say("answers", provider)

    async def probe(self, provider: str, *, seconds: float) -> bool:
        """Whether this process is the one that tries."""
        params = {"provider": provider, "seconds": seconds}
        async with self._db.transaction() as conn:
            return bool(await connections.fetch(conn, _SQL["probe"], params))

    async def _say(self, statement: str, provider: str, **params: Any) -> None:
        async with self._db.transaction() as conn:
            await conn.execute(_SQL[statement], {"provider": provider, **params})
