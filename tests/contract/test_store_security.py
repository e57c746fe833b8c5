"""The event chain finds what its owner changes; the schema says what everything is.

Who may read and write what: test_store_grants.py and test_store_visibility.py.
"""

import psycopg
import pytest
import store_callers
import store_server
import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx import ports
from workbenchx.planner import model
from workbenchx.store import embedded, postgres

__all__ = ["database", "server", "store"]


async def test_a_member_reads_the_own_project_only(
    store: postgres.Postgres, server: embedded.Server, database: str
) -> None:
    """By user id and by verified e-mail, whatever its case: rows of the own project and the cluster's."""
    await store_callers.two_projects(store)
    mailed = {"email": "Bo@x.org", "app_metadata": {"email_verified": True}}
    async with store_callers.connected(server, database) as callers:
        for claims in (
            {"sub": store_callers.ADA},
            {"sub": store_callers.ADA.upper()},
            {"sub": worlds.new_id(), **mailed},
            {"sub": "a-service-account", **mailed},
        ):
            member = callers.of(claims)
            assert await member.rows("select name from ops.projects") == [("iris",)]
            assert await member.rows("select kind, name from ops.resources order by 1, 2") == [
                ("Project", "iris"),
                ("RunnerJob", "job"),
                ("Runtime", "python"),
            ]
            assert await member.rows(
                "select distinct namespace from ops.runs where kind is not null"
            ) == [("iris",)]
            for table in ("artifacts", "sandbox_runs", "log_chunks"):
                assert await member.one(f"select count(*) from ops.{table}") == 1  # noqa: S608 - names from above
            assert await member.rows(
                "select distinct data ->> 'namespace' from ops.run_events where data ? 'namespace' order by 1"
            ) == [("",), ("iris",)]


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
