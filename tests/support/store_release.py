"""Databases as an earlier release made and filled them: tests/fixtures/releases/<commit>.tar.gz.

Such a file holds the release's own `migrations/` and, as `rows.sql`, what its own `wbx up --once` wrote for its own sample
(`pg_dump --data-only --column-inserts --load-via-partition-root -n ops`, without what is only psql's).
"""

import contextlib
import pathlib
import tarfile
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import store_server
from psycopg import sql

from workbenchx.store import bootstrap, embedded, migrate

FOLDER = pathlib.Path(__file__).parent.parent / "fixtures" / "releases"
LAST = "3146d25"
# What the snapshot leaves out: bodies of functions, and every comment.
_MORE = """
select 'body of ' || p.oid::regprocedure || ' ' || md5(p.prosrc) from pg_proc p
where p.pronamespace in ('ops'::regnamespace, 'ops_private'::regnamespace)
union all
select concat_ws(' ', 'comment on', pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description) from pg_description d
where (d.classoid = 'pg_class'::regclass and d.objoid in (
         select oid from pg_class where relnamespace in ('ops'::regnamespace, 'ops_private'::regnamespace)))
  or (d.classoid = 'pg_proc'::regclass and d.objoid in (
         select oid from pg_proc where pronamespace in ('ops'::regnamespace, 'ops_private'::regnamespace)))
order by 1
"""
_TABLES = """
select c.relname from pg_class c
where c.relnamespace = 'ops'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition order by 1
"""
Rows = dict[str, list[dict[str, Any]]]


@contextlib.contextmanager
def unpacked(into: pathlib.Path, commit: str = LAST) -> Iterator[pathlib.Path]:
    """The release's files."""
    with tarfile.open(FOLDER / f"{commit}.tar.gz") as archive:
        archive.extractall(into, filter="data")
    yield into


@contextlib.asynccontextmanager
async def database(server: embedded.Server, folder: pathlib.Path) -> AsyncIterator[str]:
    """The name of a database as the unpacked release left it."""
    async with store_server.database(server, template=None) as name:
        await bootstrap.bootstrap(store_server.administrator(server), database=name)
        await migrate.apply(server.url_for("wbx_migrate", name), folder=folder / "migrations")
        async with await psycopg.AsyncConnection.connect(
            store_server.administrator(server, name)
        ) as conn:
            await conn.execute("delete from ops.installation; delete from ops.leader")
            await conn.execute("set local session_replication_role = replica")
            days = await conn.execute("select ops_private.ensure_log_day('2026-11-25')")
            assert days.rowcount == 1
            await conn.execute((folder / "rows.sql").read_bytes())
        yield name


async def more(url: str) -> list[str]:
    """What a program may also notice of a schema, and the snapshot does not say."""
    async with await psycopg.AsyncConnection.connect(url) as conn:
        await conn.execute("set local search_path to ''")
        return [row[0] for row in await (await conn.execute(_MORE.encode())).fetchall()]


async def rows(url: str) -> Rows:
    """Every row of every table, as JSON."""
    async with await psycopg.AsyncConnection.connect(url) as conn:
        found: Rows = {}
        for (table,) in await (await conn.execute(_TABLES.encode())).fetchall():
            query = sql.SQL("select to_jsonb(t) from ops.{} t order by to_jsonb(t)::text")
            cursor = await conn.execute(query.format(sql.Identifier(table)))
            found[table] = [row[0] for row in await cursor.fetchall()]
        return found
