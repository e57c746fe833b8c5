"""Callers of the API, as the database sees them: a login without rights, a role and claims in each transaction."""

import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

import psycopg
import store_worlds as worlds

from workbenchx.planner import model
from workbenchx.store import embedded, postgres

ADA = "aaaaaaaa-0000-4000-8000-000000000001"
BO = "bbbbbbbb-0000-4000-8000-000000000003"
EDNA = "eeeeeeee-0000-4000-8000-000000000004"
EVE = "eeeeeeee-0000-4000-8000-000000000002"
PLATFORM = {"sub": "99999999-0000-4000-8000-000000000009", "app_metadata": {"wbx_role": "platform"}}
MEMBERS = (
    {"user": ADA, "role": "viewer"},
    {"user": EDNA, "role": "editor"},
    {"user": BO, "role": "admin"},
    {"user": "bo@x.org", "role": "admin"},
)


BECOME = "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true)"


def who(role: str, claims: Mapping[str, Any]) -> tuple[str, str]:
    """The parameters of BECOME."""
    return role, json.dumps({"role": role, **claims})


async def two_projects(store: postgres.Postgres) -> dict[str, str]:
    """Projects iris (of MEMBERS) and other (of Eve); the ids of their runs.

    Each has a job and an ended run with events, output and an artifact; and there is a cluster-scoped Runtime.
    """
    epoch = await worlds.lead(store)
    runs = {}
    for name, members in (("iris", MEMBERS), ("other", [{"user": EVE, "role": "admin"}])):
        rows = _rows(name, list(members))
        await store.mirror(f"s-{name}", [row.declared for row in rows], complete=True, commit=None)
        key = model.Key("RunnerJob", name, "job")
        order = worlds.order(rows[1].uid, key, project=name)
        runs[name] = order.run_id
        await store.settle(epoch, worlds.batch(rows=rows, orders=[order]))
    for run in await store.claim("w", limit=5, lease=60):
        await store.claim_start(
            run.run_id, run.fencing, external_id=run.run_id, provider="local", command=[]
        )
        await store.append_log(run.run_id, 1, 0, b"x")
        done = worlds.outcome(artifacts=[("out", worlds.blob(), "t/p")])
        await store.finish(run.run_id, run.fencing, done)
    return runs


def _rows(name: str, members: list[dict[str, str]]) -> list[Any]:
    place = model.SourceRef("s")
    project = worlds.declared(model.Key("Project", "", name), {"members": members})
    key = model.Key("RunnerJob", name, "job")
    rows = [project, model.Declared(key, name, {"project": name}, "b" * 64, place)]
    if name == "iris":
        rows.append(model.Declared(model.Key("Runtime", "", "python"), None, {}, "c" * 64, place))
    return [worlds.created(row) for row in rows]


async def open_run(store: postgres.Postgres, project: str) -> str:
    """A queued run of the project's job; its id."""
    (row,) = [
        row
        for row in (await worlds.world(store)).recorded
        if row.key == model.Key("RunnerJob", project, "job")
    ]
    order = worlds.order(row.uid, row.key, project=project, attempt=2)
    assert await store.enqueue([order])
    return order.run_id


class Caller:
    """One caller: every query is a transaction of its own, with a role and claims, as the API sets them."""

    def __init__(
        self, conn: psycopg.AsyncConnection, claims: Mapping[str, Any], role: str = "authenticated"
    ) -> None:
        self._conn = conn
        self._who = who(role, claims)

    async def rows(self, query: Any, *params: Any) -> list[tuple[Any, ...]]:
        """The answer to one query."""
        async with self._conn.transaction():
            await self._conn.execute(BECOME, self._who)
            return await (await self._conn.execute(query, params or None)).fetchall()

    async def one(self, query: Any, *params: Any) -> Any:
        """The one value that the query answers."""
        return (await self.rows(query, *params))[0][0]


class Callers:
    """Callers on one connection of the login `wbx_api`."""

    def __init__(self, conn: psycopg.AsyncConnection) -> None:
        self.conn = conn
        self.viewer = self.of({"sub": ADA})
        self.editor = self.of({"sub": EDNA})
        self.admin = self.of({"sub": BO})
        self.foreign = self.of({"sub": EVE})
        self.nobody = self.of({"sub": str(uuid.uuid4())})
        self.platform = self.of(PLATFORM)

    def of(self, claims: Mapping[str, Any], role: str = "authenticated") -> Caller:
        """A caller with these claims."""
        return Caller(self.conn, claims, role)


@contextlib.asynccontextmanager
async def connected(server: embedded.Server, database: str) -> AsyncIterator[Callers]:
    """Callers of that database."""
    async with await psycopg.AsyncConnection.connect(server.url_for("wbx_api", database)) as conn:
        yield Callers(conn)
