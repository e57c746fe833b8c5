"""A transaction pooler is refused by everything that would wait in vain behind one; a session pooler is not."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator

import psycopg
import pytest
import store_pgbouncer
import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx import errors
from workbenchx.store import (
    bootstrap,
    callers,
    embedded,
    migrate,
    notify,
    pooling,
    postgres,
)

__all__ = ["database", "server", "store"]

WAY_OUT = (
    "use the pooler's session mode (Supabase: port 5432 of the same host), or the server itself"
)


@pytest.fixture
def transactions(server: embedded.Server) -> Iterator[store_pgbouncer.Pooler]:
    """A PgBouncer that lends a server for one transaction."""
    with store_pgbouncer.pooler(server, "transaction") as made:
        yield made


async def refusals(url_of: store_pgbouncer.Pooler, database: str) -> dict[str, errors.Stalled]:
    """What each component says that connects through the pooler."""
    engine = postgres.Postgres(url_of.url_for("wbx_engine", database))
    api = callers.Callers(url_of.url_for("wbx_api", database))

    async def listening() -> None:
        async with contextlib.aclosing(_first(engine)) as changes:
            await anext(changes)

    migrating = url_of.url_for("wbx_migrate", database)
    administrator = url_of.url_for(embedded.ADMINISTRATOR, database)
    attempts = {
        "engine": engine.installation(),
        "listen": listening(),
        "api": api.check_login(),
        "migrate": migrate.apply(migrating),
        "bootstrap": bootstrap.bootstrap(administrator, database="elsewhere"),
    }
    found = {}
    try:
        for name, attempt in attempts.items():
            with pytest.raises(errors.Stalled) as caught:
                await attempt
            found[name] = caught.value
    finally:
        await engine.close()
        await api.close()
    return found


async def _first(engine: postgres.Postgres) -> AsyncGenerator[None, None]:
    async for _ in engine.changes():
        yield


async def test_a_transaction_pooler_is_found_by_how_it_behaves(
    transactions: store_pgbouncer.Pooler, database: str
) -> None:
    """On any port, by everything that connects, in one line with the way out."""
    for name, refusal in (await refusals(transactions, database)).items():
        assert refusal.reason == "TransactionPooler", name
        assert "is a transaction pooler: it keeps neither LISTEN nor" in refusal.message
        assert WAY_OUT in refusal.message
        assert "\n" not in refusal.message


async def test_the_refusal_stays(transactions: store_pgbouncer.Pooler, database: str) -> None:
    """Asked again, it is refused again: nothing works for a while and then fails."""
    async with _closing(postgres.Postgres(transactions.url_for("wbx_engine", database))) as engine:
        for _ in range(2):
            with pytest.raises(errors.Stalled, match="is a transaction pooler"):
                await engine.installation()


@contextlib.asynccontextmanager
async def _closing(opened: postgres.Postgres) -> AsyncIterator[postgres.Postgres]:
    try:
        yield opened
    finally:
        await opened.close()


async def test_what_is_refused_would_wait_in_vain(
    transactions: store_pgbouncer.Pooler, database: str, store: postgres.Postgres
) -> None:
    """The reason for the refusal: a LISTEN through it is answered, and hears nothing of a change."""
    url = transactions.url_for("wbx_engine", database)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        await conn.execute("listen ops_changed")
        await worlds.project_with_job(store)
        assert [note async for note in conn.notifies(timeout=1.0, stop_after=1)] == []


async def test_prepared_statements_would_fail_too(
    transactions: store_pgbouncer.Pooler, database: str
) -> None:
    """Two clients give one server the same name for different statements."""
    url = transactions.url_for("wbx_engine", database)
    async with (
        await psycopg.AsyncConnection.connect(url, autocommit=True) as one,
        await psycopg.AsyncConnection.connect(url, autocommit=True) as other,
    ):
        await one.execute("select 1", prepare=True)
        with pytest.raises(psycopg.errors.DuplicatePreparedStatement):
            await other.execute("select 'x'", prepare=True)


async def test_a_session_pooler_is_as_good_as_the_server(
    server: embedded.Server, database: str, store: postgres.Postgres
) -> None:
    """It keeps the session: everything works through it, and changes are heard."""
    with store_pgbouncer.pooler(server, "session") as sessions:
        assert await migrate.apply(sessions.url_for("wbx_migrate", database)) == []
        opened = postgres.Postgres(sessions.url_for("wbx_engine", database))
        async with _closing(opened) as engine:
            for _ in range(8):
                assert await engine.installation() == await store.installation()
            async with contextlib.aclosing(_first(engine)) as changes:
                await anext(changes)
                await worlds.project_with_job(store)
                await anext(changes)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://postgres.abc:secret@pooler.example.org:6543/postgres",
        "postgresql://postgres@db.example.org:6543/postgres?sslmode=require",
        "host=a,b port=5432,6543 dbname=postgres password=secret",
    ],
)
async def test_the_transaction_port_is_refused_unseen(url: str) -> None:
    """Supabase's port 6543: nobody connects to it, and no password is told."""
    engine = postgres.Postgres(url)
    for attempt in (engine.installation(), anext(_first(engine)), migrate.apply(url)):
        with pytest.raises(errors.Stalled) as caught:
            await attempt
        assert caught.value.reason == "TransactionPooler"
        assert "port 6543 of" in caught.value.message
        assert "secret" not in caught.value.message
    await engine.close()


async def test_a_server_of_our_own_is_asked_once(
    server: embedded.Server, database: str, store: postgres.Postgres
) -> None:
    """Without a pooler the look is one round trip, and no second connection."""
    url = server.url_for("wbx_engine", database)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        assert await pooling.is_direct(conn)
        await pooling.refuse(conn, "postgresql://nowhere.invalid/none")
    async with contextlib.aclosing(notify.listen(url, notify.LOGS)) as bursts:
        assert await anext(bursts) == frozenset({notify.LOGS})
        _, uid = await worlds.project_with_job(store)
        run = await worlds.claimed(store, uid)
        await store.append_log(run.run_id, 1, 0, b"x")
        assert await anext(bursts) == frozenset({notify.LOGS})
