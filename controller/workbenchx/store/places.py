"""Places at providers of models, as all gateways count them together, beside the gates of the same providers."""

from workbenchx.store import connections, gates, queries

_SQL = queries.load("places")


class Places(gates.Gates):
    """`ports.Places` and `ports.Gates` on the engine's connections."""

    def __init__(self, db: connections.Connections) -> None:
        self._db = db

    async def place(self, run_id: str, gate: str, *, most: int) -> bool:
        """As the port's."""
        params = {"run_id": run_id, "gate": gate, "most": most}
        async with self._db.transaction(pipelined=True) as conn:
            await conn.execute(_SQL["gate"], params)
            await conn.execute(_SQL["gate_alone"], params)
            return bool(await connections.fetch(conn, _SQL["place"], params))
