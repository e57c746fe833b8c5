"""Money of answers: set aside before, metered after; one statement for any number of requests."""

import dataclasses
import decimal
from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx import ports
from workbenchx.store import connections, encode, queries

_SQL = queries.load("answers")


class Answers:
    """`ports.Answers` on the engine's connections. `holder` names the process in the runs of its answers."""

    def __init__(self, db: connections.Connections, holder: str) -> None:
        self._db = db
        self._holder = holder

    async def reserve(
        self, asked: Sequence[ports.Ask], *, seconds: float
    ) -> Mapping[str, ports.Refused]:
        """As the port's."""
        params = {
            "asked": encode.document([_asked(each) for each in asked]),
            "holder": self._holder,
            "seconds": seconds,
        }
        return await self._refused("reserve", params)

    async def extend(self, asked: Mapping[str, decimal.Decimal]) -> Mapping[str, ports.Refused]:
        """As the port's."""
        rows = [{"run_id": run_id, "usd": usd} for run_id, usd in asked.items()]
        return await self._refused("extend", {"asked": encode.document(rows)})

    async def keep(self, ids: Sequence[str], *, seconds: float) -> Mapping[str, bool]:
        """As the port's."""
        found = await self._fetch("keep", {"ids": list(ids), "seconds": seconds})
        return dict(found)

    async def settle(self, ended: Sequence[ports.Ended]) -> int:
        """As the port's."""
        rows = [_row(each) for each in ended]
        ((count,),) = await self._fetch("settle", {"ended": encode.document(rows)})
        return int(count)

    async def expire(self) -> int:
        """As the port's."""
        ((count,),) = await self._fetch("expire")
        return int(count)

    async def served(self) -> Sequence[ports.Alias]:
        """As the port's."""
        async with self._db.transaction(pipelined=True) as conn:
            found = await connections.fetch(conn, _SQL["served"])
        return [ports.Alias(*row) for row in found]

    async def take_probes(self, due: Sequence[ports.Probing]) -> frozenset[tuple[str, str]]:
        """As the port's."""
        rows = [dataclasses.asdict(each) for each in due]
        return frozenset(await self._fetch("take_probes", {"asked": encode.document(rows)}))

    async def probed(
        self, probe: ports.Probing, run_id: str, *, well: bool, message: str, most: int
    ) -> None:
        """As the port's."""
        said = {"run_id": run_id, "well": well, "message": encode.text(message), "most": most}
        named = {"deployment_id": probe.deployment_id, "revision": probe.revision}
        async with self._db.transaction(pipelined=True) as conn:
            await conn.execute(_SQL["probed"], said | named)

    async def visible(self, claims: Mapping[str, Any]) -> frozenset[str]:
        """As the port's."""
        said = {"claims": encode.document(dict(claims) | {"role": "authenticated"})}
        async with self._db.transaction(pipelined=True) as conn:
            await conn.execute(_SQL["as_caller"], said)
            return frozenset(row[0] for row in await connections.fetch(conn, _SQL["visible"]))

    async def _refused(self, name: str, params: dict[str, Any]) -> Mapping[str, ports.Refused]:
        found = await self._fetch(name, params)
        return {run_id: ports.Refused(reason, message) for run_id, reason, message in found}

    async def _fetch(
        self, name: str, params: dict[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        async with self._db.transaction(pipelined=True) as conn:
            await conn.execute(_SQL["not_at_once"])
            return await connections.fetch(conn, _SQL[name], params)


def _asked(each: ports.Ask) -> dict[str, Any]:
    return {
        "run_id": each.run_id,
        "project_id": each.project_id,
        "namespace": each.namespace,
        "name": each.name,
        "provider": each.provider,
        "usd": each.usd,
        "document": each.document,
        "claims": dict(each.claims) | {"role": "authenticated"},
    }


def _row(each: ports.Ended) -> dict[str, Any]:
    return {
        "run_id": each.run_id,
        "state": each.state,
        "reason": each.reason,
        "message": each.message,
        "provider": each.provider,
        "model": each.model,
        "alias": each.alias,
        "input_tokens": each.input_tokens,
        "output_tokens": each.output_tokens,
        "estimated": each.estimated,
        "cost": each.cost,
    }
