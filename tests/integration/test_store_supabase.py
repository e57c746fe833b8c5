"""`supabase db push` and `wbx db migrate` are interchangeable, and Supabase's linters have nothing to say."""

import contextlib
import json
import pathlib
from collections.abc import AsyncIterator

import psycopg
import pytest
import store_adoption as adoption
import store_server
import store_supabase as supabase
from store_fixtures import server, server15

from workbenchx import errors
from workbenchx.store import embedded, migrate

__all__ = ["server", "server15"]


@pytest.fixture(params=[15, 18])
def either(request: pytest.FixtureRequest) -> embedded.Server:
    """The oldest and the newest server."""
    found: embedded.Server = request.getfixturevalue(
        "server15" if request.param == 15 else "server"
    )
    return found


@pytest.fixture
def checkout(tmp_path: pathlib.Path) -> pathlib.Path:
    """What the CLI reads."""
    return supabase.checkout(tmp_path)


@contextlib.asynccontextmanager
async def prepared(server: embedded.Server) -> AsyncIterator[str]:
    """A bootstrapped database without migrations."""
    async with adoption.before(server, "select 1") as name:
        yield name


async def history(server: embedded.Server, database: str) -> list[tuple[object, ...]]:
    """What is recorded of the migrations, whoever wrote it."""
    async with await psycopg.AsyncConnection.connect(
        server.url_for("wbx_migrate", database)
    ) as conn:
        found = await conn.execute(
            "select version, name, statements from supabase_migrations.schema_migrations order by version"
        )
        return await found.fetchall()


async def test_pushed_by_the_cli(either: embedded.Server, checkout: pathlib.Path) -> None:
    """As a login that is no superuser, twice: the second time there is nothing to do, and `wbx db migrate` finds nothing either."""
    async with prepared(either) as name:
        owner = either.url_for("wbx_migrate", name)
        first = supabase.run(either, name, checkout, "db", "push", "--yes")
        assert first.returncode == 0, first.stderr
        assert first.stderr.count("Applying migration") == len(migrate.available())
        again = supabase.run(either, name, checkout, "db", "push", "--yes")
        assert again.returncode == 0, again.stderr
        assert "up to date" in again.stdout
        assert await migrate.pending(owner) == []
        assert await migrate.apply(owner, environment="staging") == []
        async with store_server.opened(either.url_for("wbx_engine", name)) as store:
            assert (await store.installation()).environment == "staging"


async def test_migrated_by_wbx(either: embedded.Server, checkout: pathlib.Path) -> None:
    """The CLI finds nothing to do, and the history is the one that it would have written itself."""
    async with prepared(either) as ours, prepared(either) as theirs:
        await migrate.apply(either.url_for("wbx_migrate", ours))
        done = supabase.run(either, ours, checkout, "db", "push", "--yes")
        assert done.returncode == 0, done.stderr
        assert "up to date" in done.stdout
        assert supabase.run(either, theirs, checkout, "db", "push", "--yes").returncode == 0
        assert await history(either, ours) == await history(either, theirs)


async def test_each_goes_on_where_the_other_stopped(
    server15: embedded.Server, checkout: pathlib.Path
) -> None:
    """Some files by one, the next by the other, the rest by the first."""
    files = sorted((checkout / "migrations").glob("*.sql"))
    later = [file.rename(file.with_suffix(".later")) for file in files[5:]]
    async with prepared(server15) as name:
        owner = server15.url_for("wbx_migrate", name)
        assert supabase.run(server15, name, checkout, "db", "push", "--yes").returncode == 0
        for file in later[:5]:
            file.rename(file.with_suffix(".sql"))
        done = await migrate.apply(owner, folder=checkout / "migrations")
        assert done == [file.name[:14] for file in files[5:10]]
        for file in later[5:]:
            file.rename(file.with_suffix(".sql"))
        rest = supabase.run(server15, name, checkout, "db", "push", "--yes")
        assert rest.stderr.count("Applying migration") == len(files) - 10, rest.stderr
        assert await migrate.pending(owner) == []


async def test_the_cli_builds_an_index_beside_its_users_too(
    server15: embedded.Server, checkout: pathlib.Path
) -> None:
    """A lone concurrent statement in a file (decision 053) is pushed and recorded; `wbx db migrate` sees it as done."""
    folder = checkout / "migrations"
    (folder / "20270101000000_settings.sql").write_text(
        "set lock_timeout = '5s';\ncreate table ops.later (n bigint primary key);\n",
        encoding="utf-8",
    )
    (folder / "20270101000001_index.sql").write_text(
        "-- Alone.\ncreate index concurrently if not exists later_n on ops.later (n);\n",
        encoding="utf-8",
    )
    async with prepared(server15) as name:
        done = supabase.run(server15, name, checkout, "db", "push", "--yes")
        assert done.returncode == 0, done.stderr
        assert await migrate.apply(server15.url_for("wbx_migrate", name), folder=folder) == []


async def test_a_newer_history_of_the_cli_is_refused(
    server15: embedded.Server, checkout: pathlib.Path
) -> None:
    """A migration that the CLI pushed and this program does not have: `wbx db migrate` names it."""
    (checkout / "migrations" / "29990101000000_later.sql").write_text(
        "select 1;\n", encoding="utf-8"
    )
    async with prepared(server15) as name:
        done = supabase.run(server15, name, checkout, "db", "push", "--yes")
        assert done.returncode == 0, done.stderr
        with pytest.raises(errors.Stalled, match="29990101000000") as refused:
            await migrate.apply(server15.url_for("wbx_migrate", name))
        assert refused.value.reason == "MigrationsUnknown"


async def test_a_history_of_another_login_is_named(server: embedded.Server) -> None:
    """Whoever may not read the history learns as whom to migrate."""
    async with store_server.database(server) as name:
        url = server.url_for("wbx_engine", name)
        for work in (migrate.pending, migrate.apply):
            with pytest.raises(errors.Stalled, match=r"owns|administrator") as refused:
                await work(url)
            assert refused.value.reason == "Forbidden"


BAD = """
create table ops.bad (label text, project_id uuid references ops.projects (id));
grant all on ops.bad to anon, authenticated;
"""


async def test_the_advisors_find_nothing(either: embedded.Server, checkout: pathlib.Path) -> None:
    """All lints at the lowest level, with `ops` among the API's schemas: nothing; and each fault of a bad table."""
    async with store_server.database(either) as name:
        assert supabase.advice(either, name, checkout) == set()
        async with await psycopg.AsyncConnection.connect(
            either.url_for("wbx_migrate", name), autocommit=True
        ) as conn:
            await conn.execute(BAD.encode())
        found = supabase.advice(either, name, checkout)
        assert {lint for lint, _ in found} == {
            "unindexed_foreign_keys",
            "no_primary_key",
            "rls_disabled_in_public",
        }
        assert all("`ops.bad`" in detail for _, detail in found)


async def test_the_functions_are_checked(server15: embedded.Server, checkout: pathlib.Path) -> None:
    """`supabase db lint` (plpgsql_check) warns of no function, and finds a bad one."""
    async with store_server.database(server15) as name:
        async with await psycopg.AsyncConnection.connect(
            store_server.administrator(server15, name), autocommit=True
        ) as conn:
            await conn.execute("create extension plpgsql_check")
        lint = ("db", "lint", "--schema", "ops,ops_private", "--level", "warning")
        clean = supabase.run(server15, name, checkout, *lint, "--fail-on", "warning")
        assert (clean.returncode, clean.stdout.strip()) == (0, ""), clean.stdout
        async with await psycopg.AsyncConnection.connect(
            server15.url_for("wbx_migrate", name), autocommit=True
        ) as conn:
            await conn.execute(
                "create function ops_private.bad() returns void language plpgsql set search_path = '' as"
                " $$ begin perform nothing from ops.nowhere; end $$"
            )
        found = json.loads(supabase.run(server15, name, checkout, *lint).stdout)
        assert [one["function"] for one in found] == ["ops_private.bad"]
