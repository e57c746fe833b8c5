"""`ops.fix_answers`: what models were asked about failed runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx import ports
from workbenchx.store import connections, encode, queries

_SQL = queries.load("asking")


class Asking:
    """The part of the store about questions of FixBot; `ports.FixAnswers`."""

    _db: connections.Connections

    async def kept_answers(
        self, source: str, causes: Sequence[str], *, pace: ports.Pace
    ) -> Mapping[str, ports.KeptAnswer]:
        """As the port's."""
        params = {
            "source": source,
            "causes": list(causes),
            "tries": pace.tries,
            "again": pace.again,
        }
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["kept"], params)
        return {row[0]: ports.KeptAnswer(*row) for row in found}

    async def begin_asking(self, asking: ports.Asking, *, pace: ports.Pace) -> bool:
        """As the port's."""
        params = {
            "source": asking.source,
            "cause": asking.cause,
            "project": asking.project,
            "kind": asking.key.kind,
            "namespace": asking.key.namespace,
            "name": asking.key.name,
            "alias": asking.alias,
            "daily": pace.daily,
            "tries": pace.tries,
            "again": pace.again,
        }
        async with self._db.transaction() as conn:
            return bool(await connections.fetch(conn, _SQL["ask"], params))

    async def keep_answer(
        self,
        asking: ports.Asking,
        state: str,
        message: str,
        document: Mapping[str, Any],
        *,
        sent: bool = True,
    ) -> None:
        """As the port's."""
        params = {
            "source": asking.source,
            "cause": asking.cause,
            "state": state,
            "message": encode.text(message),
            "document": encode.document(document),
            "sent": sent,
        }
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["keep"], params)

    async def ended_with(self, run_id: str, most: int) -> ports.Ending:
        """As the port's."""
        async with self._db.transaction() as conn:
            code = await connections.fetch(conn, _SQL["code"], {"run_id": run_id})
            found = await connections.fetch(conn, _SQL["tail"], {"run_id": run_id, "most": most})
        data = b"".join(row[1] for row in found)
        return ports.Ending(code[0][0] if code else None, data, bool(found) and found[0][0] == 0)
