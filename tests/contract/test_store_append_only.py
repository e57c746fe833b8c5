"""What is append-only stays so: every way that SQL has to change a row, for every login of the product."""

import psycopg
import pytest
import store_server
import store_worlds as worlds
from psycopg import sql
from store_fixtures import database, server, store

from workbenchx.store import embedded, postgres

__all__ = ["database", "server", "store"]

TABLES = ("run_events", "event_batches", "anchors", "resource_history")
LOGINS = ("wbx_engine", "wbx_api", "wbx_migrate")
# {t}: the table; {k}: its key; {c}: a column; {g}: a trigger. What a trigger refuses has 42501, like what a missing right refuses.
CHANGES = {
    "update": "update ops.{t} set {c} = {c}",
    "delete": "delete from ops.{t}",
    "truncate": "truncate ops.{t}",
    "truncate cascade": "truncate ops.{t} cascade",
    "with": "with gone as (delete from ops.{t} returning 1) select * from gone",
    "copy out": "copy (delete from ops.{t} returning 1) to stdout",
    "copy update": "copy (update ops.{t} set {c} = {c} returning 1) to stdout",
    "merge update": "merge into ops.{t} t using ops.{t} s on t.{c} = s.{c} when matched then update set {c} = s.{c}",
    "merge delete": "merge into ops.{t} t using ops.{t} s on t.{c} = s.{c} when matched then delete",
    "on conflict": "insert into ops.{t} overriding system value select * from ops.{t} on conflict ({k}) do update set {c} = excluded.{c}",
    "view": "create temporary view mine as select * from ops.{t}; update mine set {c} = {c}",
    "prepared": "prepare mine as delete from ops.{t}; execute mine",
    "do": "do $$ begin execute 'delete from ops.{t}'; end $$",
    "replica": "set session_replication_role = replica; delete from ops.{t}",
}
# What only an owner may do; the product's other logins may not.
OWNERS = {
    "disable triggers": "alter table ops.{t} disable trigger all",
    "drop a trigger": "drop trigger {g} on ops.{t}",
    "drop": "drop table ops.{t}",
    "rename": "alter table ops.{t} rename to mine",
    "own": "alter table ops.{t} owner to current_user",
    "partition": "create table ops.mine partition of ops.{t} default",
    "inherit": "create temporary table mine () inherits (ops.{t})",
    "rule": "create rule mine as on insert to ops.{t} do instead nothing",
    "trigger": "create trigger mine before insert on ops.{t} execute function ops_private.refuse_change()",
    "policy": "create policy mine on ops.{t} using (true)",
    "definer": "create function ops.mine() returns void language sql security definer as 'delete from ops.{t}'",
    "become the owner": "set role wbx_migrate",
    "grant": "grant update on ops.{t} to current_user; update ops.{t} set {c} = {c}",
}
KEYS = {
    "run_events": "run_id, seq",
    "event_batches": "run_id, first_seq",
    "anchors": "number",
    "resource_history": "id",
}
COLUMNS = {name: key.partition(",")[0] for name, key in KEYS.items()} | {"resource_history": "uid"}


async def filled(store: postgres.Postgres) -> None:
    """A row in each of the tables."""
    await worlds.project_with_job(store)
    async with store.connections.transaction() as conn:
        await conn.execute(
            "insert into ops.anchors (number, day, root, runs, events, key)"
            " values (1, current_date, repeat('a', 64), 1, 1, 'sha256/' || repeat('a', 64))"
        )


async def count(server: embedded.Server, database: str, table: str) -> int:
    """How many rows it has."""
    where = store_server.administrator(server, database)
    async with await psycopg.AsyncConnection.connect(where) as conn:
        query = sql.SQL("select count(*) from ops.{}").format(sql.Identifier(table))
        row = await (await conn.execute(query)).fetchone()
    assert row is not None
    return int(row[0])


async def refused(conn: psycopg.AsyncConnection, query: str, table: str) -> str:
    """The SQLSTATE with which it is refused; "" if it is not."""
    text = query.replace("{t}", table).replace("{k}", KEYS[table])
    trigger = "run_events_no_delete" if table == "run_events" else f"{table}_append_only"
    text = text.replace("{c}", COLUMNS[table]).replace("{g}", trigger)
    try:
        async with conn.transaction():
            if text.startswith("copy"):
                async with conn.cursor().copy(text.encode()) as copy:
                    async for _ in copy:
                        pass
            else:
                await conn.execute(text.encode())
    except psycopg.Error as error:
        return error.sqlstate or "?"
    return ""


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("login", LOGINS)
async def test_no_login_changes_a_row(
    store: postgres.Postgres, server: embedded.Server, database: str, table: str, login: str
) -> None:
    """Each way is refused for want of a right, or by the trigger, and the rows are as they were."""
    await filled(store)
    before = await count(server, database, table)
    assert before > 0
    async with await psycopg.AsyncConnection.connect(server.url_for(login, database)) as conn:
        found = {name: await refused(conn, query, table) for name, query in CHANGES.items()}
    assert {name: state for name, state in found.items() if state != "42501"} == {}
    assert await count(server, database, table) == before


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("login", ["wbx_engine", "wbx_api"])
async def test_nobody_but_the_owner_gets_round_it(
    store: postgres.Postgres, server: embedded.Server, database: str, table: str, login: str
) -> None:
    """Neither by the table's definition, nor by a function, nor by another role."""
    await filled(store)
    async with await psycopg.AsyncConnection.connect(server.url_for(login, database)) as conn:
        found = {name: await refused(conn, query, table) for name, query in OWNERS.items()}
        partition = found.pop("partition")
    assert {name: state for name, state in found.items() if state != "42501"} == {}
    assert partition in {"42501", "42P17", "42809"}


async def test_the_owner_needs_to_switch_triggers_off_first(
    store: postgres.Postgres, server: embedded.Server, database: str
) -> None:
    """No setting of a session does it: session_replication_role is a superuser's."""
    await filled(store)
    where = server.url_for("wbx_migrate", database)
    async with await psycopg.AsyncConnection.connect(where) as conn:
        assert (
            await refused(conn, "set session_replication_role = replica", "run_events") == "42501"
        )
        assert await refused(conn, "delete from ops.{t}", "run_events") == "42501"
        off = "alter table ops.{t} disable trigger user; delete from ops.{t}"
        assert await refused(conn, off, "run_events") == ""
