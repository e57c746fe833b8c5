"""Tables that were there before us: adopted with their rows, which stay another program's (decision 050)."""

import contextlib
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
import store_adoption as adoption
import store_server
import store_worlds as worlds
from psycopg import sql
from store_fixtures import server, server15

from workbenchx import errors, ports
from workbenchx.store import bootstrap, embedded, migrate, postgres, queries, reads

__all__ = ["server", "server15"]

ADA = "aaaaaaaa-0000-4000-8000-000000000001"
MEMBERS = {"members": [{"user": ADA, "role": "viewer"}]}


@pytest.fixture(params=[15, 18])
def either(request: pytest.FixtureRequest) -> embedded.Server:
    """The oldest and the newest server."""
    name = "server15" if request.param == 15 else "server"
    found: embedded.Server = request.getfixturevalue(name)
    return found


async def rows(conn: psycopg.AsyncConnection, query: str) -> list[tuple[Any, ...]]:
    """The answer to one query, in a transaction of its own."""
    async with conn.transaction():
        return await (await conn.execute(query.encode())).fetchall()


async def listing(conn: psycopg.AsyncConnection, table: str) -> str:
    """A query for the rows and columns that the table has now, also when it has more of both."""
    query = sql.SQL("select * from ops.{} order by ctid").format(sql.Identifier(table))
    found = await conn.execute(query)
    names = sql.SQL(", ").join(sql.Identifier(each.name) for each in found.description or ())
    again = sql.SQL("select {} from ops.{} order by ctid limit {}")
    return again.format(names, sql.Identifier(table), found.rowcount).as_string(conn)


async def work(store: postgres.Postgres) -> str:
    """A project of Ada's with a job that ran and left an output; the run's id."""
    epoch = await worlds.lead(store)
    writes = [
        worlds.created(worlds.declared(worlds.PROJECT, MEMBERS)),
        worlds.created(worlds.declared(worlds.JOB)),
    ]
    await store.mirror(worlds.SOURCE, [row.declared for row in writes], complete=True, commit="c1")
    await store.settle(epoch, worlds.batch(rows=writes))
    run = await worlds.claimed(store, writes[1].uid)
    await store.claim_start(
        run.run_id, run.fencing, external_id="o1", provider="local", command=["true"]
    )
    await store.append_events([ports.Event(run.run_id, "FindingReported", {"n": 1})])
    for _ in range(2):  # the second ending of the same run is dropped
        done = worlds.outcome(artifacts=[("model", worlds.blob(), "t/p")])
        await store.finish(run.run_id, run.fencing, done)
    return run.run_id


@pytest.mark.parametrize("shape", adoption.SHAPES)
async def test_the_whole_product_works_on_adopted_tables(
    either: embedded.Server, shape: str
) -> None:
    """Runs, events, artifacts, the planner's world and the verification work; no row of the other program changed."""
    async with adoption.before(either, adoption.SHAPES[shape]) as name:
        owner = either.url_for("wbx_migrate", name)
        async with await psycopg.AsyncConnection.connect(owner) as conn:
            theirs = [await listing(conn, table) for table in adoption.TABLES]
            before = [await rows(conn, query) for query in theirs]
            await conn.commit()
            await migrate.apply(owner, environment="test")
            async with store_server.opened(either.url_for("wbx_engine", name)) as store:
                run_id = await work(store)
                asked = reads.Reads(store.connections)
                told = [event["type"] for event in await asked.events(run_id)]
                assert told == [
                    "RunQueued",
                    "RunClaimed",
                    "CommandClaimed",
                    "FindingReported",
                    "RunSucceeded",
                ]
                found = await asked.artifacts()
                assert [(row["name"], row["run_id"]) for row in found] == [("model", run_id)]
                assert (await asked.artifact(found[0]["id"]))["key"] == worlds.blob().key
                assert {chain.broken_at async for chain in store.verify()} == {None}
                world = await worlds.world(store)
                (execution,) = world.executions
                assert dict(execution.outputs) == {"model": worlds.blob().sha256}
            assert [await rows(conn, query) for query in theirs] == before
            assert await migrate.apply(owner) == []


@contextlib.asynccontextmanager
async def program(server: embedded.Server, name: str) -> AsyncIterator[psycopg.AsyncConnection]:
    """A connection of a login that another program uses, with grants on what it made; it can do nothing else."""
    url = store_server.administrator(server, name)
    role = sql.Identifier(f"program_{name}")
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as admin:
        await admin.execute(sql.SQL("create role {} login").format(role))
        await admin.execute(
            sql.SQL("grant connect on database {} to {}").format(sql.Identifier(name), role)
        )
        await admin.execute(sql.SQL("grant usage on schema ops to {}").format(role))
        for what in ("tables", "sequences"):
            grant = sql.SQL("grant all on all {} in schema ops to {}")
            await admin.execute(grant.format(sql.SQL(what), role))
        try:
            async with await psycopg.AsyncConnection.connect(
                server.url_for(f"program_{name}", name)
            ) as conn:
                yield conn
        finally:
            await admin.execute(sql.SQL("drop owned by {}").format(role))
            await admin.execute(sql.SQL("drop role {}").format(role))


THEIR_WORK = (
    "insert into ops.{} (run_id, payload) values ('mine', '{{}}')",
    "update ops.{} set payload = '[]' where run_id = 'mine'",
    "delete from ops.{} where run_id = 'mine'",
)


@pytest.mark.parametrize("secured", [False, True])
async def test_other_programs_go_on(server: embedded.Server, *, secured: bool) -> None:
    """The owner and a login with grants insert, update and delete their rows; they cannot touch or, but for the owner, see ours."""
    script = adoption.FOREIGN
    if secured:
        script += "".join(
            f"alter table ops.{table} enable row level security;"
            f" create policy everything on ops.{table} using (true);"
            for table in adoption.TABLES
        )
    async with adoption.before(server, script) as name, program(server, name) as theirs:
        url = server.url_for("wbx_migrate", name)
        await migrate.apply(url, environment="test")
        async with store_server.opened(server.url_for("wbx_engine", name)) as store:
            await work(store)
        async with await psycopg.AsyncConnection.connect(url) as owner:
            for conn in (theirs, owner):
                for table in adoption.TABLES:
                    for verb in THEIR_WORK:
                        async with conn.transaction():
                            done = await conn.execute(verb.format(table).encode())
                        assert done.rowcount == 1
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        await rows(conn, "truncate ops.run_events")
            assert await rows(theirs, "select count(*) from ops.run_events") == [(2,)]
            assert await rows(theirs, "select count(*) from ops.artifacts") == [(2,)]
            for verb in ("update ops.run_events set seq = 7", "delete from ops.run_events"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                    await rows(owner, f"{verb} where seq is not null")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await rows(theirs, "update ops.run_events set seq = 7")


async def test_members_see_none_of_the_other_programs_rows(server: embedded.Server) -> None:
    """Not even with the id of their project, or by a policy that was there before us."""
    script = adoption.SHAPES["ours, run_id text"] + "".join(
        f"alter table ops.{table} enable row level security; grant all on ops.{table} to anon, authenticated;"
        f" create policy everything on ops.{table} using (true);"
        for table in adoption.TABLES
    )
    async with (
        adoption.adopted(server, script) as name,
        store_server.opened(server.url_for("wbx_engine", name)) as store,
    ):
        run_id = await work(store)
        async with await psycopg.AsyncConnection.connect(
            server.url_for("wbx_migrate", name)
        ) as owner:
            for table in adoption.TABLES:
                query = sql.SQL(
                    "update ops.{} set project_id = (select id from ops.projects)"
                    " where run_id like '0000%' returning 1"
                ).format(sql.Identifier(table))
                assert await rows(owner, query.as_string(owner))
        async with await psycopg.AsyncConnection.connect(
            server.url_for("wbx_api", name), autocommit=False
        ) as conn:
            claims = json.dumps({"sub": ADA, "role": "authenticated"})
            await conn.execute(
                "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', %s, true)",
                (claims,),
            )
            seen = await (
                await conn.execute("select count(*), count(seq) from ops.run_events")
            ).fetchone()
            assert seen is not None
            assert seen[0] == seen[1] > 3
            found = await conn.execute("select run_id from ops.artifacts")
            assert await found.fetchall() == [(run_id,)]
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await conn.execute("delete from ops.artifacts")


REFUSED = {
    "alter table ops.run_events add seq text": r"ops\.run_events\.seq is text, and WorkbenchX needs bigint; rename",
    "alter table ops.run_events add data json, add at date": r"ops\.run_events\.\w+ is (json|date).*; ops\.run_events\.\w+ is ",
    "alter table ops.artifacts add sha256 bytea": r"ops\.artifacts\.sha256 is bytea, and WorkbenchX needs text; rename",
    "alter table ops.artifacts add bytes bigint generated always as (7) stored": r"ops\.artifacts\.bytes is bigint \(generated\)",
    "alter table ops.run_events add seq bigint default 1": r"ops\.run_events has rows where seq is not null",
    "alter table ops.run_events add note text not null default ''; alter table ops.run_events alter note drop default": "ops.run_events does not take the rows of WorkbenchX: .*note",
    "delete from ops.artifacts; alter table ops.artifacts add unique (run_id)": r"ops\.artifacts does not take the rows",
    "alter table ops.run_events rename to old; create view ops.run_events as select * from ops.old": r"ops\.run_events is no plain, logged table",
    "alter table ops.artifacts set unlogged": r"ops\.artifacts is no plain, logged table",
}


@pytest.mark.parametrize("change", REFUSED)
async def test_what_does_not_fit_is_named_and_nothing_is_left(
    server: embedded.Server, change: str
) -> None:
    """The message names table and column, what it is, what is needed, and the way out; the tables are as before."""
    async with adoption.before(server, f"{adoption.FOREIGN};{change}") as name:
        url = server.url_for("wbx_migrate", name)
        columns = (
            "select attrelid::regclass::text, attname from pg_attribute where attnum > 0"
            " and attrelid = any (select oid from pg_class where relnamespace = 'ops'::regnamespace) order by 1, 2"
        )
        async with await psycopg.AsyncConnection.connect(url) as conn:
            before = await rows(conn, columns)
            await conn.commit()
            with pytest.raises(errors.Stalled, match=REFUSED[change]) as refused:
                await migrate.apply(url)
            assert refused.value.reason == "MigrationFailed"
            assert "rename" in refused.value.message
            assert "\n" not in refused.value.message
            if "run_events" in refused.value.message:
                assert await rows(conn, columns) == before


async def test_a_table_of_another_owner_is_named(server: embedded.Server) -> None:
    """Whose it is, and how it is given away."""
    async with store_server.database(server, template=None) as name:
        admin = store_server.administrator(server, name)
        async with await psycopg.AsyncConnection.connect(admin, autocommit=True) as conn:
            await conn.execute(adoption.FOREIGN.encode())
        await bootstrap.bootstrap(store_server.administrator(server), database=name)
        with pytest.raises(errors.Stalled, match="alter schema ops owner to wbx_migrate"):
            await migrate.apply(server.url_for("wbx_migrate", name))


@pytest.mark.parametrize("shape", adoption.SHAPES)
async def test_every_statement_of_the_product_fits(either: embedded.Server, shape: str) -> None:
    """Whatever type run_id has in an adopted table: the server accepts each named statement of the store."""
    files = {path.stem for path in queries._FOLDER.glob("*.sql")} - {"bootstrap", "migrate"}
    async with adoption.adopted(either, adoption.SHAPES[shape]) as name:
        with psycopg.connect(either.url_for("wbx_migrate", name), autocommit=True) as conn:
            assert prepared(conn, "select 1 from ops.runs where run_id = 'a'::text") is not None
            if prepared(conn, "select embedding from ops.documents"):
                files.remove("documents")  # no pgvector here
            for file in sorted(files):
                for block, text in queries.load(file).items():
                    if text.startswith("create temporary table "):
                        conn.execute(text)
                    elif not text.startswith("set "):
                        told = prepared(conn, text)
                        assert told is None, f"{file}.sql: {block}: {told}"


def prepared(conn: psycopg.Connection, text: str) -> str | None:
    """What the server says against a statement; None: nothing, but that a parameter's type is open."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    query = re.sub(r"%\((\w+)\)s", number, text.replace("{table}", "ops.experiment_runs"))
    answer = conn.pgconn.prepare(b"", query.replace("%%", "%").encode())
    state = answer.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
    if answer.status == psycopg.pq.ExecStatus.COMMAND_OK or state in {b"42P18", b"42P08"}:
        return None
    return answer.error_message.decode()


@pytest.mark.parametrize("shape", adoption.SHAPES)
async def test_every_function_of_the_schema_fits(server15: embedded.Server, shape: str) -> None:
    """plpgsql_check finds no error in any function, whatever type run_id has in an adopted table."""
    async with adoption.adopted(server15, adoption.SHAPES[shape]) as name:
        with psycopg.connect(store_server.administrator(server15, name), autocommit=True) as conn:
            conn.execute("create extension plpgsql_check with schema extensions")
            found = conn.execute(
                "select p.oid::regprocedure::text, told from pg_proc p join pg_language l on l.oid = p.prolang"
                " cross join lateral extensions.plpgsql_check_function(p.oid, fatal_errors => false) as told"
                " where l.lanname = 'plpgsql' and p.prorettype <> 'trigger'::regtype"
                " and p.pronamespace in ('ops'::regnamespace, 'ops_private'::regnamespace) and told like 'error:%'"
            ).fetchall()
            triggers = conn.execute(
                "select t.tgname, told from pg_trigger t join pg_class c on c.oid = t.tgrelid"
                " cross join lateral extensions.plpgsql_check_function(t.tgfoid, t.tgrelid, fatal_errors => false,"
                "  oldtable => t.tgoldtable, newtable => t.tgnewtable) as told"
                " where c.relnamespace = 'ops'::regnamespace and not t.tgisinternal and told like 'error:%'"
            ).fetchall()
    assert (found, triggers) == ([], [])
