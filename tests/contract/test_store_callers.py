"""Callers of the API: who asks is set once a transaction, and the same reads show what row-level security shows."""

from collections.abc import AsyncIterator

import pytest
import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx import errors
from workbenchx.planner import model
from workbenchx.store import callers, connections, embedded, postgres, reads

__all__ = ["database", "server", "store"]

ADA = {"sub": "aaaaaaaa-0000-4000-8000-000000000001"}
EVE = {"sub": "eeeeeeee-0000-4000-8000-000000000002"}


@pytest.fixture
async def api(server: embedded.Server, database: str) -> AsyncIterator[callers.Callers]:
    """Connections as wbx_api; one only, so that every request meets what the one before left."""
    opened = callers.Callers(server.url_for("wbx_api", database), most=1)
    yield opened
    await opened.close()


async def iris(store: postgres.Postgres) -> None:
    """A project of Ada's with a job."""
    epoch = await worlds.lead(store)
    members = [{"user": ADA["sub"], "role": "viewer"}]
    rows = [worlds.declared(worlds.PROJECT, {"members": members}), worlds.declared(worlds.JOB)]
    await store.mirror(worlds.SOURCE, rows, complete=True, commit="c1")
    await store.settle(epoch, worlds.batch(rows=[worlds.created(row) for row in rows]))


async def test_the_same_reads_serve_every_caller(
    store: postgres.Postgres, api: callers.Callers
) -> None:
    """A member sees the project as the engine does; a stranger, on the same connection, sees nothing."""
    await iris(store)

    engine = await reads.Reads(store.connections).resources()
    assert len(engine) == 2
    assert await reads.Reads(api.reading(ADA)).resources() == engine
    assert await reads.Reads(api.reading(EVE)).resources() == []
    assert await reads.Reads(api.reading(ADA)).resource(worlds.JOB)
    with pytest.raises(errors.Stalled, match="is not recorded"):
        await reads.Reads(api.reading(EVE)).resource(worlds.JOB)


async def test_who_did_not_sign_in_is_refused(
    store: postgres.Postgres, api: callers.Callers
) -> None:
    """The role anon may not even look into the schema."""
    await iris(store)

    with pytest.raises(errors.Stalled) as refused:
        await reads.Reads(api.nobody()).resources()
    assert refused.value.reason == "Forbidden"


async def test_nothing_is_carried_over(api: callers.Callers) -> None:
    """After a caller's transaction, also one that failed, the connection is the login's own again."""
    asking = "select current_user, current_setting('request.jwt.claims', true)"

    async def fail(caller: callers.Caller) -> None:
        async with caller.transaction() as conn:
            assert (await connections.fetch(conn, asking))[0][0] == caller.role
            raise ZeroDivisionError

    for caller in (api.reading(ADA), api.ordering(ADA), api.nobody()):
        with pytest.raises(ZeroDivisionError):
            await fail(caller)
    async with api._pool.transaction() as conn:
        assert (await connections.fetch(conn, asking))[0] in {("wbx_api", ""), ("wbx_api", None)}


async def test_readers_cannot_write(api: callers.Callers) -> None:
    """A reader's transaction is READ ONLY, pipelined or not, and stays so; time-outs are the login's."""
    for pipelined in (False, True):
        async with api.reading(ADA).transaction(pipelined=pipelined) as conn:
            shown = "select current_setting('transaction_read_only'), current_setting('statement_timeout')"
            assert await connections.fetch(conn, shown) == [("on", "8s")]
    async with api.ordering(ADA).transaction() as conn:
        assert await connections.fetch(conn, "show transaction_read_only") == [("off",)]


async def test_claims_cannot_name_another_role(
    store: postgres.Postgres, api: callers.Callers
) -> None:
    """Whatever the claim `role` says, the caller is what the API says, in the role and in the claims."""
    await iris(store)
    forged = EVE | {"role": "service_role"}

    async with api.reading(forged).transaction() as conn:
        said = "select current_user, auth.role()"
        assert await connections.fetch(conn, said) == [("authenticated", "authenticated")]
    assert await reads.Reads(api.reading(forged)).resources() == []


async def test_one_transaction_answers_several_questions(
    store: postgres.Postgres, api: callers.Callers
) -> None:
    """Inside `Within` no second transaction begins: the pool has one connection, and nothing waits for it."""
    await iris(store)

    async with api.reading(ADA).transaction(pipelined=True) as conn:
        asked = reads.Reads(callers.Within(conn))
        assert [row["name"] for row in await asked.resources(kind="Project")] == ["iris"]
        assert len(await asked.history(model.Key("Project", "", "iris"))) == 1
