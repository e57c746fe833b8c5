"""`ops.runners`: the desk of `ports.Desk`, and what a runner asks of it through the API."""

import contextlib
import datetime
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from workbenchx import ports
from workbenchx.store import callers, connections, encode, notify, queries

_SQL = queries.load("runners")
_CHUNKS = 16
# Nobody signed in: the functions look at the token of the run alone.
_SOMEBODY: Mapping[str, Any] = {"sub": "00000000-0000-0000-0000-000000000000"}


class Runners:
    """The part of the store that `ports.Desk` is."""

    _db: connections.Connections

    async def open_runner(
        self,
        name: str,
        tags: Mapping[str, str],
        order_hash: str,
        work: Mapping[str, Any],
        deadline: datetime.datetime | None,
    ) -> ports.Runner:
        """See ports.Desk.open_runner."""
        params = {
            "name": name,
            "tags": encode.document(dict(tags)),
            "order_hash": order_hash,
            "work": encode.document(dict(work)),
            "deadline": deadline,
        }
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["open"], params)
            (row,) = await connections.fetch(conn, _SQL["rows"], {"name": name})
        return ports.Runner(*row)

    async def runner(self, name: str) -> ports.Runner | None:
        """See ports.Desk.runner."""
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["rows"], {"name": name})
        return ports.Runner(*found[0]) if found else None

    async def runners(self) -> list[ports.Runner]:
        """See ports.Desk.runners."""
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["rows"], {"name": None})
        return [ports.Runner(*row) for row in found]

    async def try_runner(self, name: str, asking: ports.Try, *, lag: float) -> bool:
        """See ports.Desk.try_runner."""
        params = {
            "name": name,
            "token": asking.token,
            "until": asking.until,
            "work": encode.document(dict(asking.work)),
            "lag": lag,
        }
        return await self._change("try", params)

    async def bind_runner(self, name: str, external_id: str | None) -> None:
        """See ports.Desk.bind_runner."""
        await self._change("bind", {"name": name, "external_id": external_id})

    async def start_runner(self, name: str, sealed: str) -> bool:
        """See ports.Desk.start_runner."""
        return await self._change("start", {"name": name, "sealed": sealed})

    async def stop_runner(self, name: str, reason: str) -> None:
        """See ports.Desk.stop_runner."""
        await self._change("stop", {"name": name, "reason": reason})

    async def extend_runner(self, name: str, deadline: datetime.datetime) -> None:
        """See ports.Desk.extend_runner."""
        await self._change("extend", {"name": name, "deadline": deadline})

    async def sign_in_runner(self, name: str, certificate: str, sealed: str) -> None:
        """See ports.Desk.sign_in_runner."""
        await self._change("sign_in", {"name": name, "certificate": certificate, "sealed": sealed})

    async def ask_runner(
        self, name: str, key: str, asked: Mapping[str, Any], *, after: bool = False
    ) -> ports.Asked | None:
        """See ports.Desk.ask_runner."""
        params = {"name": name, "key": key, "asked": encode.document(dict(asked)), "after": after}
        async with self._db.transaction() as conn:
            await conn.execute(_SQL["ask"], params)
            found = await connections.fetch(conn, _SQL["asked"], {"name": name, "key": key})
        return ports.Asked(found[0][0]) if found else None

    async def sign_runner(self, name: str, uploads: Mapping[str, Any]) -> None:
        """See ports.Desk.sign_runner."""
        await self._change("sign", {"name": name, "uploads": encode.document(dict(uploads))})

    async def conclude_runner(self, name: str, report: Mapping[str, Any]) -> None:
        """See ports.Desk.conclude_runner."""
        await self._change("conclude", {"name": name, "report": encode.document(dict(report))})

    async def runner_output(self, name: str, offset: int, limit: int) -> bytes:
        """See ports.Desk.runner_output."""
        params = {"name": name, "offset": offset, "chunks": _CHUNKS}
        async with self._db.transaction() as conn:
            found = await connections.fetch(conn, _SQL["output"], params)
        data = b"".join(bytes(part) for _, part in found)
        start = offset - int(found[0][0]) if found else 0
        return data[start : start + limit]

    async def remove_runner(self, name: str) -> None:
        """See ports.Desk.remove_runner."""
        await self._change("remove", {"name": name})

    async def runner_changes(self) -> AsyncIterator[None]:
        """See ports.Desk.runner_changes."""
        async with contextlib.aclosing(notify.listen(self._db.url, notify.RUNNERS)) as bursts:
            async for _ in bursts:
                yield

    async def _change(self, statement: str, params: Mapping[str, Any]) -> bool:
        async with self._db.transaction() as conn:
            return bool((await conn.execute(_SQL[statement], params)).rowcount)


class Called:
    """What a runner asks, by its token: each is one function of the database, called as nobody in particular.

    Raises:
        errors.Stalled: reason Forbidden: the token is not known, or over, or another machine's; InvalidArgs.
    """

    def __init__(self, source: callers.Callers, token: str, machine: str) -> None:
        self._caller = source.ordering(_SOMEBODY)
        self._own = {"token": token, "machine": machine}

    async def claim(self, certificate: str) -> dict[str, Any]:
        """The order."""
        found: dict[str, Any] = await self._call("claim", certificate=certificate)
        return found

    async def heartbeat(self, says: str) -> dict[str, Any]:
        """What to do."""
        found: dict[str, Any] = await self._call("heartbeat", says=says)
        return found

    async def used(self, says: str, idle_since: float | None) -> dict[str, Any]:
        """As `heartbeat`; also since when nobody uses what runs."""
        found: dict[str, Any] = await self._call("used", says=says, idle_since=idle_since)
        return found

    async def logs(self, at: int, data: bytes) -> int:
        """Where the next output is to begin."""
        return int(await self._call("logs", at=at, data=data))

    async def upload(self, path: str, digest: str, size: int) -> dict[str, Any] | None:
        """The signed upload; None until a worker has signed it."""
        found: dict[str, Any] | None = await self._call(
            "upload", path=path, digest=digest, size=size
        )
        return found

    async def prove(self, path: str, proof: str) -> dict[str, Any] | None:
        """That it has what it wished to upload; the upload that was signed."""
        found: dict[str, Any] | None = await self._call("prove", path=path, proof=proof)
        return found

    async def answer(self, key: str, answer: Mapping[str, Any]) -> dict[str, Any]:
        """To what was asked beside the run."""
        found: dict[str, Any] = await self._call(
            "answer", key=key, answer=encode.document(dict(answer))
        )
        return found

    async def finish(self, report: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Any]:
        """The end."""
        found: dict[str, Any] = await self._call(
            "finish", report=encode.document(dict(report)), paths=list(paths)
        )
        return found

    async def _call(self, statement: str, **params: Any) -> Any:
        async with self._caller.transaction(pipelined=True) as conn:
            ((found,),) = await connections.fetch(conn, _SQL[statement], self._own | params)
        return found
