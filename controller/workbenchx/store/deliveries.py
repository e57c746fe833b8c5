"""`ops.webhook_deliveries`: what forges told, from the console that receives it to the worker that asks the forge."""

import contextlib
import dataclasses
import datetime
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from workbenchx import errors, ports
from workbenchx.store import callers, connections, encode, notify, queries

_SQL = queries.load("deliveries")
# Whom the functions of the database take for the console: no token of a user has this role.
_RECEIVER: Mapping[str, Any] = {
    "sub": "00000000-0000-0000-0000-000000000000",
    "app_metadata": {"wbx_role": "webhooks"},
}


class Deliveries:
    """The part of the store that `ports.Deliveries` is."""

    _db: connections.Connections

    async def open_deliveries(self, most: int = 500) -> Sequence[ports.Delivery]:
        """See ports.Deliveries.open_deliveries."""
        return await self._deliveries("open", most)

    async def recent_deliveries(self, most: int = 50) -> Sequence[ports.Delivery]:
        """See ports.Deliveries.recent_deliveries."""
        return await self._deliveries("recent", most)

    async def handle_deliveries(self, done: Sequence[ports.Delivery]) -> None:
        """See ports.Deliveries.handle_deliveries."""
        params = {
            "forges": [each.forge for each in done],
            "ids": [each.id for each in done],
            "again": [each.again_at for each in done],
        }
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["handled"], params)

    async def deliver_again(self, forge: str, id_: str, *, actor: str) -> datetime.datetime:
        """See ports.Deliveries.deliver_again."""
        params = {"forge": forge, "id": id_, "actor": encode.text(actor)}
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["again"], params)
        if not found:
            raise errors.Stalled(f'webhook: "{id_}" is not known', reason="NotFound")
        return _moment(found)

    async def delivered(self) -> AsyncIterator[None]:
        """See ports.Deliveries.delivered."""
        async with contextlib.aclosing(notify.listen(self._db.url, notify.WEBHOOKS)) as bursts:
            async for _ in bursts:
                yield

    async def _deliveries(self, statement: str, most: int) -> Sequence[ports.Delivery]:
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL[statement], {"most": most})
        return [ports.Delivery(*row) for row in found]


@dataclasses.dataclass(frozen=True, slots=True)
class Receiving:
    """A Source that takes webhooks. `secret`: where theirs is, as a `secretRef`."""

    namespace: str
    name: str
    project: str | None
    url: str
    secret: Mapping[str, Any]


class Received:
    """What the console asks of the database for a webhook."""

    def __init__(self, source: callers.Callers) -> None:
        self._caller = source.ordering(_RECEIVER)

    async def sources(self) -> Sequence[Receiving]:
        """Every Source that takes webhooks."""
        async with self._caller.transaction(pipelined=True) as conn:
            found = await connections.fetch(conn, _SQL["sources"])
        return [Receiving(*row) for row in found]

    async def receive(self, told: Mapping[str, Any]) -> bool:
        """Keep one whose signature is good; False: it was seen before."""
        async with self._caller.transaction(pipelined=True) as conn:
            params = {"told": encode.document(dict(told))}
            ((kept,),) = await connections.fetch(conn, _SQL["receive"], params)
        return bool(kept)

    async def tally(self, told: Mapping[str, Any]) -> None:
        """Count one that is not kept, with why."""
        async with self._caller.transaction(pipelined=True) as conn:
            await conn.execute(_SQL["tally"], {"told": encode.document(dict(told))})


async def order_again(conn: connections.Connection, forge: str, id_: str) -> datetime.datetime:
    """Let one be handled anew, as the caller; when that was wanted.

    Raises:
        errors.Stalled: reason NotFound or Forbidden.
    """
    return _moment(await connections.fetch(conn, _SQL["order_again"], {"forge": forge, "id": id_}))


def _moment(found: Sequence[Sequence[Any]]) -> datetime.datetime:
    at: datetime.datetime = found[0][0]
    return at
