"""Runs with chains, and an owner of the database who knows how they are made and rewrites them."""

import asyncio
import contextlib
import dataclasses
import datetime
import pathlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import blobs
import psycopg
import store_server
import store_worlds as worlds

from workbenchx import ports
from workbenchx.engine import anchoring, verifying
from workbenchx.providers.storage import local
from workbenchx.store import embedded, postgres

_TABLES = ("run_events", "event_batches", "anchors", "runs")
_PROCESS = """
import asyncio, datetime, pathlib, sys
from workbenchx.providers.storage import local
from workbenchx.store import postgres

store, storage = postgres.Postgres(sys.argv[1]), local.LocalStorage(pathlib.Path(sys.argv[2]))
now = datetime.datetime.now(datetime.UTC)
"""
# The rows of one run chained anew as they are, in one batch: the formula is no secret.
_REHASH = """
with kept as (
  select e.run_id, max(e.seq) as seq, sha256(string_agg(
    sha256(convert_to(concat_ws(E'\\n', e.seq, (extract(epoch from e.at) * 1000000)::bigint, e.type,
      coalesce(e.project_id::text, ''), e.data::text, e.actor), 'UTF8')), ''::bytea order by e.seq)) as hash
  from ops.run_events e where e.run_id::text = %(run)s group by e.run_id
), linked as (
  insert into ops.event_batches (run_id, first_seq, last_seq, prev_hash, hash)
  select run_id::uuid, 1, seq, '', hash from kept
)
update ops.runs r set event_seq = k.seq, event_hash = k.hash, event_head = k.hash, anchor = %(anchor)s
from kept k where r.run_id::text = k.run_id::text
"""


@dataclasses.dataclass(frozen=True)
class Audit:
    """One installation: its store, its storage, and its owner."""

    store: postgres.Postgres
    storage: local.LocalStorage
    installation: str
    owner: str
    url: str
    folder: pathlib.Path

    async def runs(self, count: int) -> list[str]:
        """So many runs that ended, each with four events in several batches."""
        orders = [worlds.order(worlds.new_id(), project=None) for _ in range(count)]
        assert await self.store.enqueue(orders)
        for run in await self.store.claim("w", limit=count, lease=60):
            await self.store.append_events([ports.Event(run.run_id, "MetricsRecorded", {"n": 1})])
            await self.store.finish(run.run_id, run.fencing, worlds.outcome())
        return sorted(one.run_id for one in orders)

    async def run(self, *, printed: bytes = b"", kept: bytes | None = None, days: float = 0) -> str:
        """A run that was queued so many days ago, printed something, and ended with that as its log (None: without)."""
        order = worlds.order(worlds.new_id(), project=None)
        assert await self.store.enqueue([order])
        async with self.rewriting() as conn:
            await conn.execute(
                "update ops.runs set queued_at = now() - make_interval(hours => %s) where run_id = %s",
                (round(days * 24), order.run_id),
            )
        if printed:
            await self.store.append_log(order.run_id, 1, 0, printed)
        (run,) = await self.store.claim("w", limit=1, lease=60)
        artifacts = []
        if kept is not None:
            artifacts = [("log", await self.stored(kept), "text/plain")]
        await self.store.finish(run.run_id, run.fencing, worlds.outcome(artifacts=artifacts))
        return order.run_id

    async def stored(self, data: bytes) -> ports.Blob:
        """Bytes in storage."""
        return await self.storage.put(blobs.stream(data))

    async def killed(self, work: str, name: str) -> None:
        """A process of its own does the work, in which `store`, `storage` and `now` are known, and dies at that failpoint."""
        said = (sys.executable, "-c", _PROCESS + work, self.url, str(self.folder))
        process = await asyncio.create_subprocess_exec(
            *said, env={"WBX_FAILPOINT": name}, stderr=subprocess.PIPE
        )
        _, told = await process.communicate()
        assert process.returncode == -signal.SIGKILL, told.decode()

    async def rows(self, query: str, *params: object) -> list[tuple[object, ...]]:
        """What the owner reads."""
        async with await psycopg.AsyncConnection.connect(self.owner) as conn:
            return await (await conn.execute(query.encode(), params or None)).fetchall()

    async def anchor(self) -> ports.Anchor | None:
        """Anchor what has ended by now."""
        before = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=5)
        return await anchoring.anchor(self.store, self.storage, self.installation, before=before)

    async def verdicts(self, run_id: str | None = None) -> dict[str, str]:
        """How everything stands: runs by id, with the event at which one is broken; anchors by number."""
        installation = (await self.store.installation()).id
        recorded = await self.store.anchors()
        async with self.store.verification() as session:
            standing = await verifying.anchors(
                session, self.storage, installation, recorded, run_id=run_id
            )
            found = {f"anchor {each.number}": each.verdict for each in standing.verdicts}
            async for each in session.chains(run_id, last=standing.last, lost=standing.lost):
                at = "" if each.broken_at is None else f" at {each.broken_at}"
                found[each.run_id] = each.verdict + at
        return found

    async def bad(self) -> dict[str, str]:
        """What is not intact."""
        return {name: told for name, told in (await self.verdicts()).items() if told != "intact"}

    @contextlib.asynccontextmanager
    async def rewriting(self) -> AsyncIterator[psycopg.AsyncConnection]:
        """The owner at work, with every trigger switched off."""
        async with await psycopg.AsyncConnection.connect(self.owner) as conn:
            for table in _TABLES:
                await conn.execute(f"alter table ops.{table} disable trigger user".encode())
            yield conn
            for table in _TABLES:
                await conn.execute(f"alter table ops.{table} enable trigger user".encode())

    async def rewrite(self, run_id: str, change: str, *, rehash: bool, anchor: int | None) -> None:
        """Change the rows of a run; `rehash`: make its chain consistent again, and say that it is anchored."""
        async with self.rewriting() as conn:
            await conn.execute(change.encode(), {"run": run_id})
            if rehash:
                await conn.execute("delete from ops.event_batches where run_id = %s", (run_id,))
                await conn.execute(_REHASH.encode(), {"run": run_id, "anchor": anchor})


@contextlib.asynccontextmanager
async def opened(
    server: embedded.Server, database: str, folder: pathlib.Path
) -> AsyncIterator[Audit]:
    """An installation on that database, with a storage in `folder`."""
    url = server.url_for("wbx_engine", database)
    async with store_server.opened(url) as store:
        yield Audit(
            store,
            local.LocalStorage(folder / "storage"),
            (await store.installation()).id,
            server.url_for("wbx_migrate", database),
            url,
            folder / "storage",
        )
