"""Who may read and write what: real logins, real claims, enumerated from the catalog."""

import json
from typing import Any

import psycopg
import pytest
import store_server
import store_worlds as worlds
from psycopg import sql
from store_fixtures import database, server, store

from workbenchx import ports
from workbenchx.planner import model
from workbenchx.store import embedded, postgres

__all__ = ["database", "server", "store"]

ADA = "aaaaaaaa-0000-4000-8000-000000000001"
EVE = "eeeeeeee-0000-4000-8000-000000000002"
APPEND_ONLY = ("run_events", "event_batches", "resource_history")


async def two_projects(store: postgres.Postgres) -> None:
    """Projects iris (of Ada) and other (of nobody), each with a job, a run and events; and a cluster-scoped Runtime."""
    epoch = await worlds.lead(store)
    for name, members in (
        ("iris", [{"user": ADA, "role": "viewer"}, {"user": "bo@x.org", "role": "admin"}]),
        ("other", []),
    ):
        project = worlds.created(
            worlds.declared(model.Key("Project", "", name), {"members": members})
        )
        spec = {"project": name}
        place = model.SourceRef("s")
        key = model.Key("RunnerJob", name, "job")
        job = worlds.created(model.Declared(key, name, spec, "b" * 64, place))
        runtime = (
            [worlds.created(worlds.declared(model.Key("Runtime", "", "python")))]
            if name == "iris"
            else []
        )
        runtime = [
            worlds.created(model.Declared(row.declared.key, None, {}, "c" * 64)) for row in runtime
        ]
        orders = [worlds.order(job.uid, key, project=name)]
        rows = [project, job, *runtime]
        await store.mirror(f"s-{name}", [row.declared for row in rows], complete=True, commit=None)
        await store.settle(epoch, worlds.batch(rows=rows, orders=orders))
    for run in await store.claim("w", limit=5, lease=60):
        await store.claim_start(
            run.run_id, run.fencing, external_id=run.run_id, provider="local", command=[]
        )
        await store.append_log(run.run_id, 1, 0, b"x")
        done = worlds.outcome(artifacts=[("out", worlds.blob(), "t/p")])
        await store.finish(run.run_id, run.fencing, done)


class Caller:
    """One request of a caller: a transaction with a role and claims, as the API sets them."""

    def __init__(self, conn: psycopg.AsyncConnection, role: str, claims: dict[str, Any]) -> None:
        self._conn = conn
        self._set = (role, json.dumps(claims | {"role": role}))

    async def rows(self, query: Any) -> list[tuple[Any, ...]]:
        """The answer to one query, in a transaction of its own."""
        async with self._conn.transaction():
            await self._conn.execute(
                "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true)",
                self._set,
            )
            return await (await self._conn.execute(query)).fetchall()


async def tables(conn: psycopg.AsyncConnection) -> list[str]:
    """All tables and views of ops."""
    found = await conn.execute(
        "select relname from pg_class where relnamespace = 'ops'::regnamespace and relkind in ('r', 'p', 'v') order by 1"
    )
    return [row[0] for row in await found.fetchall()]


async def test_a_member_reads_the_own_project_only(
    store: postgres.Postgres, server: embedded.Server, database: str
) -> None:
    """By user id and by verified e-mail: rows of the own project and the cluster's, nothing of another's."""
    await two_projects(store)
    async with await psycopg.AsyncConnection.connect(server.url_for("wbx_api", database)) as conn:
        for claims in (
            {"sub": ADA},
            {"sub": EVE, "email": "Bo@x.org", "app_metadata": {"email_verified": True}},
        ):
            ada = Caller(conn, "authenticated", claims)
            assert await ada.rows("select name from ops.projects") == [("iris",)]
            assert await ada.rows("select namespace from ops.runner_jobs") == [("iris",)]
            assert await ada.rows("select name from ops.runtimes") == [("python",)]
            assert await ada.rows(
                "select distinct namespace from ops.runs where kind is not null"
            ) == [("iris",)]
            assert await ada.rows("select kind, name from ops.resources order by 1, 2") == [
                ("Project", "iris"),
                ("RunnerJob", "job"),
                ("Runtime", "python"),
            ]
            assert await ada.rows("select count(*) from ops.artifacts") == [(1,)]
            assert await ada.rows("select count(*) from ops.sandbox_runs") == [(1,)]
            assert await ada.rows("select count(*) from ops.log_chunks") == [(1,)]
            assert await ada.rows(
                "select distinct data ->> 'namespace' from ops.run_events where data ? 'namespace' order by 1"
            ) == [("",), ("iris",)]
            assert await ada.rows("select project from ops.declared where project is not null") == [
                ("iris",)
            ]


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": EVE},
        {"sub": "not-a-uuid"},
        {},
        {"sub": EVE, "email": "bo@x.org"},
        {"sub": EVE, "email": "bo@x.org", "user_metadata": {"email_verified": True}},
        {"sub": EVE, "app_metadata": {"email_verified": True}},
        {"sub": f"{ADA}' or true --"},
    ],
)
async def test_a_stranger_reads_nothing(
    store: postgres.Postgres, server: embedded.Server, database: str, claims: dict[str, Any]
) -> None:
    """Whatever the claims say that is no membership: no row of any table."""
    await two_projects(store)
    async with await psycopg.AsyncConnection.connect(server.url_for("wbx_api", database)) as conn:
        stranger = Caller(conn, "authenticated", claims)
        async with await psycopg.AsyncConnection.connect(
            server.url_for("wbx_migrate", database)
        ) as owner:
            names = await tables(owner)
        assert "runs" in names
        for name in names:
            query = sql.SQL("select 1 from ops.{} limit 1").format(sql.Identifier(name))
            try:
                assert await stranger.rows(query) == [], name
            except psycopg.errors.InsufficientPrivilege:
                assert name in {"plans", "webhook_deliveries"} or name.startswith("log_chunks_")


async def test_anon_and_the_bare_login_read_nothing(
    store: postgres.Postgres, server: embedded.Server, database: str
) -> None:
    """Anon has no way into the schema; wbx_api has none until it says who calls."""
    await two_projects(store)
    async with await psycopg.AsyncConnection.connect(server.url_for("wbx_api", database)) as conn:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await Caller(conn, "anon", {}).rows("select 1 from ops.projects")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with conn.transaction():
                await conn.execute("select 1 from ops.projects")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await Caller(conn, "service_role", {}).rows("select 1 from ops.projects")


async def test_callers_write_nothing(server: embedded.Server, database: str) -> None:
    """No table of ops grants a writing verb to authenticated, anon or public; each has row-level security."""
    async with await psycopg.AsyncConnection.connect(
        server.url_for("wbx_migrate", database)
    ) as conn:
        found = await conn.execute(
            "select c.relname, r.role, p.verb from pg_class c,"
            " unnest(array['anon', 'authenticated', 'wbx_api']) as r(role),"
            " unnest(array['insert', 'update', 'delete', 'truncate', 'references', 'trigger']) as p(verb)"
            " where c.relnamespace = 'ops'::regnamespace and c.relkind in ('r', 'p', 'v')"
            " and has_table_privilege(r.role, c.oid, p.verb)"
        )
        assert await found.fetchall() == []
        bare = await conn.execute(
            "select relname from pg_class where relnamespace in ('ops'::regnamespace, 'ops_private'::regnamespace)"
            " and relkind in ('r', 'p') and not relrowsecurity"
        )
        assert await bare.fetchall() == []
        open_functions = await conn.execute(
            "select proname from pg_proc where pronamespace in ('ops'::regnamespace, 'ops_private'::regnamespace)"
            " and (has_function_privilege('anon', oid, 'execute') or proconfig is null)"
        )
        assert await open_functions.fetchall() == []


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("login", ["wbx_engine", "wbx_migrate"])
async def test_append_only_tables_refuse_everybody(
    store: postgres.Postgres, server: embedded.Server, database: str, table: str, login: str
) -> None:
    """UPDATE, DELETE and TRUNCATE are refused, for the owner too."""
    await worlds.project_with_job(store)
    verbs = ("update ops.{} set project_id = null", "delete from ops.{}", "truncate ops.{}")
    async with await psycopg.AsyncConnection.connect(server.url_for(login, database)) as conn:
        for verb in verbs:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                async with conn.transaction():
                    await conn.execute(sql.SQL(verb).format(sql.Identifier(table)))
        count = await conn.execute(
            sql.SQL("select count(*) from ops.{}").format(sql.Identifier(table))
        )
        row = await count.fetchone()
        assert row is not None
        assert row[0] > 0


@pytest.mark.parametrize(
    ("tamper", "broken_at"),
    [
        ("update ops.run_events set data = '{}' where seq = 2", 1),
        ("delete from ops.run_events where seq = 2", 1),
        ("delete from ops.run_events where seq = 3", 3),
        (
            "insert into ops.run_events (run_id, seq, type) select run_id, 9, 'Forged' from ops.run_events limit 1",
            9,
        ),
        (
            "delete from ops.event_batches where first_seq = 3; delete from ops.run_events where seq = 3",
            3,
        ),
        ("update ops.event_batches set hash = sha256('x') where first_seq = 3", 3),
        ("update ops.run_events set actor = 'eve' where seq = 1", 1),
    ],
)
async def test_tampering_of_the_owner_is_found(
    store: postgres.Postgres, server: embedded.Server, database: str, tamper: str, broken_at: int
) -> None:
    """Whoever switches the triggers off and changes, removes or adds an event breaks the chain there."""
    epoch = await worlds.lead(store)
    rows = [worlds.created(worlds.declared(model.Key("Dataset", "iris", name))) for name in "ab"]
    settled = worlds.batch(rows=rows)
    await store.settle(epoch, settled)
    await store.append_events([ports.Event(settled.run_id, "FindingReported", {"n": 1})])
    assert [chain.broken_at async for chain in store.verify()] == [None]
    async with await psycopg.AsyncConnection.connect(
        store_server.administrator(server, database)
    ) as owner:
        await owner.execute("alter table ops.run_events disable trigger all")
        await owner.execute("alter table ops.event_batches disable trigger all")
        await owner.execute(tamper.encode())
        await owner.commit()
    (chain,) = [one async for one in store.verify()]
    assert chain.verdict == f"broken at seq {broken_at}"


async def test_the_schema_is_described(server: embedded.Server, database: str) -> None:
    """Every table, view and column of ops has a comment; every foreign key has an index."""
    async with await psycopg.AsyncConnection.connect(
        server.url_for("wbx_migrate", database)
    ) as conn:
        mute = await conn.execute(
            "select c.relname, a.attname from pg_class c left join pg_attribute a on a.attrelid = c.oid"
            " and a.attnum > 0 and not a.attisdropped and c.relkind <> 'v'"
            " where c.relnamespace = 'ops'::regnamespace and c.relkind in ('r', 'p', 'v') and not c.relispartition"
            " and (obj_description(c.oid) is null"
            "  or (a.attnum is not null and col_description(c.oid, a.attnum) is null))"
        )
        assert await mute.fetchall() == []
        slow = await conn.execute(
            "select conrelid::regclass::text, conname from pg_constraint k where contype = 'f'"
            " and connamespace = 'ops'::regnamespace and not exists (select 1 from pg_index i where"
            " i.indrelid = k.conrelid and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] = k.conkey)"
        )
        assert await slow.fetchall() == []
