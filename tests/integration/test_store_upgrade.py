"""An installation of the last release, with its rows, becomes what a new one is, and loses nothing."""

import pathlib
from typing import Any

import psycopg
import pytest
import store_release as release
import store_server
import store_snapshot as snapshot
from store_fixtures import server, server15

from workbenchx import errors
from workbenchx.store import embedded, migrate

__all__ = ["server", "server15"]

# What a release without adoption could not run on tables of others (decision 058).
REPLACED = {"20260301000010", "20260301000020", "20260301000100"}
# Made from the document by the database: their type changed.
GENERATED = {"monthly_budget_usd", "port"}


@pytest.fixture(params=[15, 18])
def either(request: pytest.FixtureRequest) -> embedded.Server:
    """The oldest and the newest server."""
    name = "server15" if request.param == 15 else "server"
    found: embedded.Server = request.getfixturevalue(name)
    return found


async def whole(url: str) -> list[str]:
    """Everything that could differ."""
    return await snapshot.lines(url) + await release.more(url)


def kept(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of before that are not among those of after, by what both have."""
    names = set().union(*before) - GENERATED
    there = [{key: value for key, value in row.items() if key in names} for row in after]
    return [
        row
        for row in before
        if {key: value for key, value in row.items() if key in names} not in there
    ]


async def test_an_upgraded_database_is_what_a_new_one_is(
    either: embedded.Server, tmp_path: pathlib.Path
) -> None:
    """Schema, functions, comments and grants are the same; every row is there; every chain verifies; again does nothing."""
    fresh = await whole(either.url_for("wbx_migrate", store_server.TEMPLATE))
    with release.unpacked(tmp_path) as files:
        async with release.database(either, files) as name:
            url = either.url_for("wbx_migrate", name)
            before = await release.rows(url)
            assert before["run_events"]
            assert before["event_batches"]
            assert before["artifacts"]
            applied = await migrate.apply(url)

            assert set(applied) == {step.version for step in migrate.available()} - {
                step.version for step in migrate.available(files / "migrations")
            }
            found = await whole(url)
            assert (set(found) - set(fresh), set(fresh) - set(found)) == (set(), set())
            after = await release.rows(url)
            lost = {
                table: gone
                for table, rows in before.items()
                if (gone := kept(rows, after.get(table, [])))
            }
            assert lost == {}
            assert await migrate.apply(url) == []
            assert await migrate.pending(url) == []
            await verified(either, name, len(before["runs"]))


async def verified(server: embedded.Server, name: str, runs: int) -> None:
    """Every chain is whole, takes more events, and refuses changes of the old ones."""
    async with store_server.opened(server.url_for("wbx_engine", name)) as store:
        chains = [chain async for chain in store.verify()]
    assert len(chains) == runs
    assert [chain for chain in chains if chain.broken_at is not None] == []
    assert sum(chain.events for chain in chains) > 50
    async with await psycopg.AsyncConnection.connect(server.url_for("wbx_migrate", name)) as conn:
        await conn.execute(
            "select ops_private.append_events(json_agg(json_build_object('run_id', run_id, 'type', 'FindingReported',"
            " 'actor', 'test', 'project', null, 'data', '{}'::json))) from ops.runs"
        )
        await conn.commit()
        for change in ("update ops.run_events set actor = 'eve'", "delete from ops.run_events"):
            with pytest.raises(psycopg.errors.Error, match="append-only"):
                await conn.execute(change.encode())
            await conn.rollback()
    async with store_server.opened(server.url_for("wbx_engine", name)) as store:
        assert [chain.broken_at async for chain in store.verify()] == [None] * runs


def test_what_was_released_is_as_it_was(root: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Every file of the last release is listed and has its text still, but those that adopt."""
    listed = (root / ".ci" / "released-migrations").read_text(encoding="utf-8")
    now = {step.version: step for step in migrate.available()}
    with release.unpacked(tmp_path) as files:
        for step in migrate.available(files / "migrations"):
            assert f"  migrations/{step.file}\n" in listed
            assert (now[step.version].text != step.text) == (step.version in REPLACED), step.file


async def test_retrieval_comes_with_the_upgrade(
    server: embedded.Server, tmp_path: pathlib.Path
) -> None:
    """Where pgvector is there, search works afterwards; the release's own empty table is gone."""
    with release.unpacked(tmp_path) as files:
        async with release.database(server, files) as name:
            url = server.url_for("wbx_migrate", name)
            await migrate.apply(url)
            async with await psycopg.AsyncConnection.connect(url) as conn:
                found = await conn.execute(
                    "select ops_private.retrieval_off(), (select relkind from pg_class where oid = 'ops.documents'::regclass)"
                )
                assert await found.fetchone() == (None, "p")
                await conn.execute(
                    "select ops_private.ensure_documents(id, 'toy', 4) from ops.projects"
                )
                found = await conn.execute("select model, dimensions from ops.document_sets")
                assert await found.fetchall() == [("toy", 4)]


async def test_documents_of_others_are_not_dropped(
    server: embedded.Server, tmp_path: pathlib.Path
) -> None:
    """Rows that no release wrote stop the upgrade; moved away as the message says, they stay whole."""
    with release.unpacked(tmp_path) as files:
        async with release.database(server, files) as name:
            url = server.url_for("wbx_migrate", name)
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
                await conn.execute(
                    "insert into ops.documents (project_id, source, chunk, body, sha256, model, embedding)"
                    " select id, 'theirs', 0, 'text', repeat('a', 64), 'm', '[1,2]' from ops.projects"
                )
                with pytest.raises(errors.Stalled, match=r"ops\.documents has rows") as told:
                    await migrate.apply(url)
                assert told.value.reason == "MigrationFailed"
                assert "20260301000370" in told.value.message
                await conn.execute("create schema kept; alter table ops.documents set schema kept")
                assert await migrate.apply(url)
                found = await conn.execute("select source, body from kept.documents")
                assert await found.fetchall() == [("theirs", "text")]


async def test_a_database_that_was_ahead_stays_as_it_is(server: embedded.Server) -> None:
    """One that was made between the releases, with later files applied, gets these files too: nothing changes."""
    async with store_server.database(server) as name:
        url = server.url_for("wbx_migrate", name)
        before = await whole(url)
        again = [
            step.version for step in migrate.available() if "000340" <= step.version[8:] < "000390"
        ]
        async with await psycopg.AsyncConnection.connect(url) as conn:
            await conn.execute(
                "delete from supabase_migrations.schema_migrations where version = any(%s)",
                (again,),
            )
        assert await migrate.apply(url) == again
        assert await whole(url) == before
