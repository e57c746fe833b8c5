"""A repository, a forge and a database in which its Source is followed: what a review is tried on."""

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import declared_files as files
import git_lab
import memory_forge
from psycopg import sql

from workbenchx import ports
from workbenchx.api import canonical
from workbenchx.engine import clock, loop, mirror
from workbenchx.engine.reviewing import reviewer
from workbenchx.forge import merging
from workbenchx.planner import model
from workbenchx.store import inventory, postgres
from workbenchx.wiring import changes, declaring

SOURCE = "wbx-system/platform"
CONTEXT = "workbenchx/prod/platform"
Credential = Callable[[ports.Reviewable], Awaitable[str | None]]


def dataset(name: str, text: str = "one") -> str:
    """A Dataset: Ready as soon as it is recorded."""
    spec = f"project: churn\nuri: repo:data/{name}.csv\nformat: csv\nversion: {text}\n"
    return files.document("Dataset", name, "churn", spec)


GROUND: dict[str, str | None] = {
    "ssot/project.yaml": files.project(),
    "ssot/runtime.yaml": files.runtime(),
    "ssot/a.yaml": dataset("a"),
    "ssot/b.yaml": dataset("b"),
}


@dataclasses.dataclass
class Lab:
    """One of each. `repository` and `forge` are those of a test, or a real forge's."""

    store: postgres.Postgres
    repository: Any
    forge: ports.Forge
    reader: changes.Changes
    engine: loop.Engine

    @property
    def url(self) -> str:
        """The repository."""
        return str(self.repository.url)

    def reviewer(self, name: str = "w1") -> reviewer.Reviewer:
        """A worker's reviewer."""

        async def forge(_: ports.Reviewable) -> ports.Forge:
            return self.forge

        settings = reviewer.Settings("prod", model.Policy(), lambda plan: f"https://wbx/{plan}")
        return reviewer.Reviewer(
            self.store, self.reader, forge, settings, clock=clock.SystemClock(), name=name
        )

    async def look(self) -> int:
        """Somebody says that there is something new, and a worker looks."""
        await self.store.ask_reviews(self.url)
        return await self.reviewer().look()

    async def apply(self, commit: str) -> None:
        """What follows the Source brings the commit in force."""
        read = declaring.of_commit(self.repository.bare, commit, "ssot")
        rows = [
            dataclasses.replace(row, source=dataclasses.replace(row.source, source=SOURCE))
            for row in read.reading.rows
        ]
        await mirror.record(self.store, dataclasses.replace(read.reading, rows=rows), source=SOURCE)

    async def leave(self) -> None:
        """Nothing was ever declared by files here."""
        async with self.store.connections.transaction() as conn:
            for table in ("declared", "declared_epochs"):
                await conn.execute(
                    sql.SQL("delete from ops.{} where source = %s").format(sql.Identifier(table)),
                    [SOURCE],
                )

    async def applied(self, commit: str) -> None:
        """The same in a cluster: the operator mirrors what was applied, and the worker remembers whose it is."""
        read = declaring.of_commit(self.repository.bare, commit, "ssot")
        bare = dataclasses.replace(
            read.reading,
            rows=[
                dataclasses.replace(row, source=model.SourceRef("cluster"))
                for row in read.reading.rows
            ],
        )
        await mirror.record(self.store, dataclasses.replace(bare, commit=None), source="cluster")
        async with self.store.connections.transaction() as conn:
            await conn.execute("delete from ops.source_objects")
            for row in read.reading.rows:
                await conn.execute(
                    "insert into ops.source_objects (kind, namespace, name, source, spec, hash, repo, commit, path, line, state)"
                    " values (%s, %s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s, 'applied')",
                    [
                        *(*row.key, SOURCE, json.dumps(row.spec), row.hash, self.url, commit),
                        *(row.source.path, row.source.line),
                    ],
                )
            await conn.execute(
                "insert into ops.source_states (source, namespace, name, spec, intended, applied)"
                " values (%s, 'wbx-system', 'platform', '{}', %s, %s)"
                " on conflict (source) do update set intended = excluded.intended, applied = excluded.applied",
                [SOURCE, commit, commit],
            )
            await inventory.place(conn, SOURCE)

    async def settle(self) -> loop.Pass:
        """The loop does what it has to."""
        self.engine.touch(None)
        while (done := await self.engine.reconcile()).wrote:
            self.engine.touch(None)
        return done


async def nobody(_: ports.Reviewable) -> str | None:
    """No credential."""
    return None


@contextlib.asynccontextmanager
async def opened(
    store: postgres.Postgres, folder: pathlib.Path, ground: Mapping[str, str | None] = GROUND
) -> AsyncIterator[Lab]:
    """A repository whose main is in force and settled, and a forge in memory."""
    repository = git_lab.Repository(folder / "served")
    first = repository.commit(dict(ground))
    yield await built(store, folder, repository, memory_forge.Forge(repository.tip), first=first)


async def built(
    store: postgres.Postgres,
    folder: pathlib.Path,
    repository: Any,
    forge: ports.Forge,
    *,
    first: str,
    credential: Credential = nobody,
) -> Lab:
    """A repository that is followed; its commit `first` is in force and settled."""
    engine = loop.Engine(store, clock=clock.SystemClock(), policy=model.Policy(), holder="lab")
    engine.epoch = await store.acquire_leader("lab", 600.0)
    copies = merging.Copies(folder / "copies", transports="file:http")
    reader = changes.Changes(copies, credential)
    made = Lab(store, repository, forge, reader, engine)
    await follow(store, repository.url)
    await made.apply(first)
    await made.settle()
    return made


async def follow(store: postgres.Postgres, url: str, **more: Any) -> None:
    """Declare the Source; `more` of its spec."""
    spec = {"url": url, "path": "ssot", "branch": "main", "forge": {"type": "gitea"}, **more}
    place = model.SourceRef("embedded", path="ssot/source.yaml", line=1)
    key = model.Key("Source", "wbx-system", "platform")
    row = model.Declared(key, None, spec, canonical.digest(spec), place)
    await store.mirror("embedded", [row], complete=True, commit=None)
