"""Migrations: once, at once, together with the Supabase CLI's history, and refused where they must be."""

import asyncio
import pathlib
import subprocess
import sys

import psycopg
import pytest
import store_server
from store_fixtures import server, server15

from workbenchx import errors
from workbenchx.store import bootstrap, embedded, migrate, postgres, statements

__all__ = ["server", "server15"]

_APPLY = """
import asyncio, sys
from workbenchx.store import migrate
print(len(asyncio.run(migrate.apply(sys.argv[1], environment="test"))))
"""


async def test_two_processes_at_once_apply_each_file_once(server: embedded.Server) -> None:
    """Together they apply all files; each file is applied by one of them."""
    async with store_server.database(server, template=None) as name:
        await bootstrap.bootstrap(store_server.administrator(server), database=name)
        url = server.url_for("wbx_migrate", name)
        commands = [sys.executable, "-c", _APPLY, url]
        started = [
            await asyncio.create_subprocess_exec(*commands, stdout=subprocess.PIPE)
            for _ in range(2)
        ]
        counts = [int((await process.communicate())[0]) for process in started]
        assert sum(counts) == len(migrate.available())
        assert await migrate.apply(url) == []
        assert await migrate.pending(url) == []


async def test_a_database_without_migrations_says_so(server: embedded.Server) -> None:
    """A store on an empty database tells what to do; pending lists all."""
    async with store_server.database(server, template=None) as name:
        await bootstrap.bootstrap(store_server.administrator(server), database=name)
        assert len(await migrate.pending(server.url_for("wbx_migrate", name))) == len(
            migrate.available()
        )
        async with store_server.opened(server.url_for("wbx_engine", name)) as store:
            with pytest.raises(errors.Stalled, match="wbx db migrate"):
                await store.installation()


async def test_a_newer_database_is_refused(server: embedded.Server) -> None:
    """A program older than the database does not touch it."""
    async with store_server.database(server) as name:
        url = server.url_for("wbx_migrate", name)
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
            await conn.execute(
                "insert into supabase_migrations.schema_migrations (version) values ('29990101000000')"
            )
        with pytest.raises(errors.Stalled) as refused:
            await migrate.apply(url)
        assert refused.value.reason == "MigrationsUnknown"
        assert "29990101000000" in refused.value.message


async def test_a_failing_file_leaves_nothing(
    server: embedded.Server, tmp_path: pathlib.Path
) -> None:
    """File and history row are one: a file that fails half-way is as if never begun, and is named."""
    (tmp_path / "20260101000000_good.sql").write_text(
        "create table good (id int);", encoding="utf-8"
    )
    (tmp_path / "20260102000000_bad.sql").write_text(
        "create table half (id int); select 1/0;", encoding="utf-8"
    )
    async with store_server.database(server, template=None) as name:
        await bootstrap.bootstrap(store_server.administrator(server), database=name)
        async with await psycopg.AsyncConnection.connect(
            store_server.administrator(server, name), autocommit=True
        ) as conn:
            await conn.execute("grant create on schema public to wbx_migrate")
            url = server.url_for("wbx_migrate", name)
            with pytest.raises(errors.Stalled, match=r"20260102000000_bad\.sql"):
                await migrate.apply(url, folder=tmp_path)
            found = await conn.execute(
                "select to_regclass('good') is not null, to_regclass('half') is null"
            )
            assert await found.fetchone() == (True, True)
            assert await migrate.pending(url, folder=tmp_path) == ["20260102000000"]


async def test_without_bootstrap_the_message_says_bootstrap(server: embedded.Server) -> None:
    """A login that may not make schemas learns which command prepares the server."""
    url = store_server.administrator(server)
    async with (
        store_server.database(server, template=None) as name,
        await psycopg.AsyncConnection.connect(url, autocommit=True) as conn,
    ):
        await conn.execute("create role plain login")
        try:
            with pytest.raises(errors.Stalled, match="wbx db bootstrap"):
                await migrate.apply(server.url_for("plain", name))
        finally:
            await conn.execute("drop role plain")


async def test_bootstrap_again_changes_nothing(server: embedded.Server) -> None:
    """Also several at once, and by one who may not: that is told."""
    url = store_server.administrator(server)
    async with store_server.database(server, template=None) as name:
        await asyncio.gather(*(bootstrap.bootstrap(url, database=name) for _ in range(4)))
        await bootstrap.bootstrap(url, database=name, passwords={"wbx_api": "it's secret"})
        with pytest.raises(errors.Stalled, match="administrator"):
            await bootstrap.bootstrap(server.url_for("wbx_migrate", name), database="other_one")


async def test_the_engine_login_is_no_superuser(server: embedded.Server) -> None:
    """wbx_engine works as service_role; wbx_migrate owns and is no superuser."""
    async with store_server.database(server) as name:
        async with await psycopg.AsyncConnection.connect(
            server.url_for("wbx_engine", name)
        ) as conn:
            assert await (await conn.execute("select session_user, current_user")).fetchone() == (
                "wbx_engine",
                "service_role",
            )
        async with await psycopg.AsyncConnection.connect(
            server.url_for("wbx_migrate", name)
        ) as conn:
            found = await conn.execute(
                "select rolname from pg_roles where rolname like 'wbx\\_%' and rolname <> 'wbx_admin'"
                " and (rolsuper or rolcreaterole or rolbypassrls)"
            )
            assert await found.fetchall() == []


async def test_one_installation_row(server: embedded.Server) -> None:
    """Migrate makes it, names it once, and keeps its name."""
    async with store_server.database(server) as name:
        await migrate.apply(server.url_for("wbx_migrate", name), environment="another")
        async with store_server.opened(server.url_for("wbx_engine", name)) as store:
            first = await store.installation()
            assert first.environment == "test"
            assert isinstance(store, postgres.Postgres)


def test_statements_are_split_where_they_end() -> None:
    """Semicolons in quotes, dollar quotes and comments end nothing; comments alone are no statement."""
    text = """-- a; comment
    select ';', "a;b" /* ; */ ;
    do $x$ begin perform 1; end $x$;
    create function f() returns int language sql as $$ select 1; $$;
    -- the end;
    """
    found = statements.split(text)
    assert len(found) == 3
    assert found[1].endswith("$x$")
    assert all(";" not in piece[-1] for piece in found)
    for migration in migrate.available():
        assert statements.split(migration.text), migration.name


async def test_the_migrations_work_on_postgres_15(server15: embedded.Server) -> None:
    """On the oldest server that is supported: bootstrapped, migrated, and the engine's login answers."""
    async with (
        store_server.database(server15) as name,
        store_server.opened(server15.url_for("wbx_engine", name)) as store,
    ):
        assert (await store.installation()).environment == "test"
        assert await migrate.pending(server15.url_for("wbx_migrate", name)) == []
        async with await psycopg.AsyncConnection.connect(
            server15.url_for("wbx_migrate", name)
        ) as conn:
            assert conn.info.server_version // 10000 == 15


LATER = """-- squawk-ignore-file require-lock-timeout, require-statement-timeout
create unique index concurrently if not exists later_n on ops.later (n);
"""


async def later(server: embedded.Server, name: str, folder: pathlib.Path, *rows: int) -> str:
    """A table with rows, and files that would index it; the owner's URL."""
    (folder / "20270101000000_file.sql").write_text("set lock_timeout = '7s'", encoding="utf-8")
    (folder / "20270101000001_file.sql").write_text(LATER, encoding="utf-8")
    await bootstrap.bootstrap(store_server.administrator(server), database=name)
    owner = server.url_for("wbx_migrate", name)
    async with await psycopg.AsyncConnection.connect(owner, autocommit=True) as conn:
        await conn.execute("create schema ops")
        await conn.execute("create table ops.later (n int)")
        for row in rows:
            await conn.execute("insert into ops.later values (%s)", (row,))
    return owner


async def test_an_index_is_built_beside_its_users(
    server: embedded.Server, tmp_path: pathlib.Path
) -> None:
    """A lone concurrent statement, by two processes at once: built while a writer goes on, recorded once."""
    async with store_server.database(server, template=None) as name:
        url = await later(server, name, tmp_path, 1, 2)
        found = await asyncio.gather(*(migrate.apply(url, folder=tmp_path) for _ in range(2)))
        assert sorted(map(len, found)) == [0, 2]
        async with await psycopg.AsyncConnection.connect(url) as conn:
            valid = await conn.execute(
                "select indisvalid, indisunique from pg_index where indexrelid = 'ops.later_n'::regclass"
            )
            assert await valid.fetchall() == [(True, True)]
        assert await migrate.apply(url, folder=tmp_path) == []


async def test_a_half_built_index_is_named(server: embedded.Server, tmp_path: pathlib.Path) -> None:
    """It failed and left its ruin: told, also the next time, and not recorded until it is whole."""
    async with store_server.database(server, template=None) as name:
        url = await later(server, name, tmp_path, 1, 1)
        with pytest.raises(errors.Stalled, match=r"20270101000001_file\.sql.*unique"):
            await migrate.apply(url, folder=tmp_path)
        with pytest.raises(errors.Stalled, match=r"drop index concurrently ops\.later_n") as told:
            await migrate.apply(url, folder=tmp_path)
        assert told.value.reason == "MigrationFailed"
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
            await conn.execute("drop index concurrently ops.later_n")
            await conn.execute("delete from ops.later")
        assert await migrate.apply(url, folder=tmp_path) == ["20270101000001"]


async def test_a_lock_that_somebody_holds_is_waited_for(
    server: embedded.Server, tmp_path: pathlib.Path
) -> None:
    """As long as the file says: then the file is named, and what to do; and its setting ends with it."""
    (tmp_path / "20270101000000_file.sql").write_text(
        "set lock_timeout = '100ms'; alter table ops.projects add column note text",
        encoding="utf-8",
    )
    async with store_server.database(server) as name:
        url = server.url_for("wbx_migrate", name)
        async with await psycopg.AsyncConnection.connect(url) as conn:
            await conn.execute("delete from supabase_migrations.schema_migrations")
            await conn.commit()
            await conn.execute("select 1 from ops.projects")
            with pytest.raises(errors.Waiting, match=r"20270101000000_file\.sql.*lock"):
                await migrate.apply(url, folder=tmp_path)
        assert await migrate.apply(url, folder=tmp_path) == ["20270101000000"]
