"""What we made at providers (intent before, outcome after), and what bulk observation saw there."""

import datetime
import re
from collections.abc import Sequence
from typing import Any

from workbenchx import ports
from workbenchx.store import connections, encode, queries

_SQL = queries.load("ledger")
_UNEXPLAINED = frozenset({None, "quarantined", "condemned"})
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Ledger:
    """The part of the store about objects at providers."""

    _db: connections.Connections

    async def record_objects(
        self, provider: str, external_ids: Sequence[str], *, state: str
    ) -> None:
        """The ledger's outcome of objects: exists | gone | quarantined."""
        params = {"provider": provider, "ids": list(external_ids), "state": state}
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["record"], params)

    async def quarantine(self, provider: str, found: Sequence[ports.SandboxStatus]) -> None:
        """Write down what carries our tag and is in no row."""
        rows = [_unexplained(status) for status in found]
        if rows:
            params = {"provider": provider, "rows": encode.document(rows)}
            async with self._db.transaction() as conn:
                await conn.execute(_SQL["quarantine"], params)
                await conn.execute(_SQL["tell"])

    async def record_observation(self, provider: str, observation: ports.Observation) -> int:
        """One epoch of `ops.observations`; its number. A quiet look writes the epoch and nothing else.

        A look that is older than the recorded one changes nothing: its number is 0.
        """
        epoch = {"provider": provider, "complete": observation.complete, "at": observation.at}
        rows = [_seen(status) for status in observation.objects]
        async with self._db.transaction() as conn:
            begun = await connections.fetch(conn, _SQL["begin_look"], epoch)
            if not begun:
                return 0
            number = int(begun[0][0])
            if rows:
                params = {
                    "provider": provider,
                    "rows": encode.document(rows),
                    "number": number,
                    "at": observation.at,
                }
                await conn.execute(_SQL["see"], params)
            if observation.complete:
                seen = [row["external_id"] for row in rows]
                await conn.execute(_SQL["unsee"], {"provider": provider, "ids": seen})
                await conn.execute(_SQL["gone"], {"provider": provider, "ids": seen})
        return number

    async def served(self) -> list[ports.Served]:
        """The running apps that have a health check, with the address to ask."""
        async with self._db.transaction() as conn:
            return [ports.Served(*row) for row in await connections.fetch(conn, _SQL["served"])]

    async def record_health(self, provider: str, external_id: str, *, healthy: bool) -> None:
        """What asking an app showed."""
        params = {"provider": provider, "id": external_id, "healthy": healthy}
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["health"], params)

    async def looked_at(self) -> dict[str, datetime.datetime]:
        """When each provider was last observed, by adapter."""
        async with self._db.transaction() as conn:
            return dict(await connections.fetch(conn, _SQL["looked_at"]))

    async def standing(self, provider: str, external_ids: Sequence[str]) -> dict[str, str]:
        """What the ledger says of observed objects: live | ended | quarantined | condemned; unknown ids are absent."""
        if not external_ids:
            return {}
        params = {"provider": provider, "ids": list(external_ids)}
        async with self._db.transaction() as conn:
            found = dict(await connections.fetch(conn, _SQL["standing"], params))
            lost = [each for each in external_ids if found.get(each) in _UNEXPLAINED]
            if not lost:
                return found
            await conn.execute(_SQL["known_again"], {"provider": provider, "ids": lost})
            return dict(await connections.fetch(conn, _SQL["standing"], params))


def _unexplained(status: ports.SandboxStatus) -> dict[str, Any]:
    kind = status.tags.get(ports.KIND_TAG, "")
    return {"external_id": status.name, "kind": kind, "resource_uid": _resource(status)}


def _resource(status: ports.SandboxStatus) -> str | None:
    uid = status.resource.lower()
    return uid if _UUID.fullmatch(uid) else None


def _seen(status: ports.SandboxStatus) -> dict[str, Any]:
    return {
        "external_id": status.name,
        "resource_uid": _resource(status),
        "state": status.state,
        "fields": status.fields,
        "url": status.url,
        "exit_code": status.exit_code,
        "reason": status.reason,
    }
