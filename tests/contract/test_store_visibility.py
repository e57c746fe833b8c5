"""Who sees which rows: every table and view of `ops`, by every way in that a caller has."""

import json
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

import psycopg
import pytest
import store_callers
import store_seed
import store_server
from psycopg import sql
from store_fixtures import database, server, store

from workbenchx.store import embedded, postgres

__all__ = ["database", "server", "store"]

# Tables without project_id: what members see of them all, or by which column they belong to a project.
OF_THE_INSTALLATION = {
    "anchors",
    "chores",
    "declared_commits",
    "declared_epochs",
    "installation",
    "leader",
    "merge_bounds",
    "observation_epochs",
    "provider_gates",
}
BY_NAME = {"declared", "declared_history", "declared_timeline"}
CLOSED = {
    "commit_reports",
    "fix_turns",
    "plans",
    "pull_reviews",
    "removals",
    "review_states",
    "runner_output",
    "runner_requests",
    "runners",
    "source_objects",
}
# An artifact belongs to a project, or nobody reads it.
NEVER_SHARED = {"artifacts"}


class Place:
    """Two projects in one database, with rows in every table, and its callers."""

    def __init__(self, callers: store_callers.Callers, projects: Mapping[str, uuid.UUID]) -> None:
        self.callers = callers
        self.mine, self.theirs = projects["iris"], projects["other"]
        self.owned: list[str] = []
        self.unowned: list[str] = []
        self.views: list[str] = []


@pytest.fixture
async def place(
    store: postgres.Postgres, server: embedded.Server, database: str
) -> AsyncIterator[Place]:
    """Seeded by the server's administrator: what row-level security hides must be there."""
    await store_callers.two_projects(store)
    async with await psycopg.AsyncConnection.connect(
        store_server.administrator(server, database)
    ) as conn:
        found = await (await conn.execute("select name, id from ops.projects")).fetchall()
        projects: dict[str, uuid.UUID] = dict(found)
        await store_seed.fill(conn, {name: str(uid) for name, uid in found})
        await conn.commit()
        async with store_callers.connected(server, database) as callers:
            made = Place(callers, projects)
            owned = await store_seed.tables(conn, project_id=True)
            made.owned = [each for each in owned if each not in CLOSED]
            made.unowned = await store_seed.tables(conn, project_id=False)
            made.unowned += [each for each in owned if each in CLOSED]
            views = await conn.execute(
                "select relname from pg_class where relnamespace = 'ops'::regnamespace and relkind in ('v', 'm')"
            )
            names = {row[0] for row in await views.fetchall()}
            made.views, made.unowned = sorted(names - BY_NAME), [*made.unowned, *(names & BY_NAME)]
            for table in [*made.owned, *made.views]:
                query = sql.SQL("select array_agg(distinct project_id) from ops.{}")
                row = await (await conn.execute(query.format(sql.Identifier(table)))).fetchone()
                assert row is not None
                assert set(projects.values()) <= set(row[0]), (table, "has no rows of both")
            yield made


async def projects_in(caller: store_callers.Caller, relation: str) -> set[Any]:
    """The projects of the rows that the caller sees."""
    query = sql.SQL("select distinct project_id from ops.{}").format(sql.Identifier(relation))
    return {row[0] for row in await caller.rows(query)}


async def test_a_member_sees_the_own_project_in_every_table(place: Place) -> None:
    """Of whatever rank; the rows of the other project are not there, in no table and no view."""
    for caller in (place.callers.viewer, place.callers.editor, place.callers.admin):
        for relation in [*place.owned, *place.views]:
            seen = await projects_in(caller, relation)
            assert place.mine in seen, relation
            assert seen <= {place.mine, None}, relation
            assert relation not in NEVER_SHARED or seen == {place.mine}
    for relation in [*place.owned, *place.views]:
        assert await projects_in(place.callers.foreign, relation) <= {place.theirs, None}, relation


async def test_the_platform_team_sees_every_project(place: Place) -> None:
    """In every table and view."""
    for relation in [*place.owned, *place.views]:
        seen = await projects_in(place.callers.platform, relation)
        assert {place.mine, place.theirs} <= seen, relation


async def test_tables_without_a_project_are_known(place: Place) -> None:
    """A new one has to say here who reads it."""
    assert set(place.unowned) == OF_THE_INSTALLATION | BY_NAME | CLOSED
    viewer, nobody = place.callers.viewer, place.callers.nobody
    for table in place.unowned:
        query = sql.SQL("select count(*) from ops.{}").format(sql.Identifier(table))
        if table in CLOSED:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await place.callers.platform.rows(query)
            continue
        assert await viewer.one(query) > 0, table
        assert await nobody.one(query) == 0, table
    for table in BY_NAME:
        query = sql.SQL("select distinct project from ops.{} order by 1").format(
            sql.Identifier(table)
        )
        assert await viewer.rows(query) == [("iris",), (None,)], table
        assert await place.callers.platform.rows(query) == [("iris",), ("other",), (None,)], table


NEW = "77777777-0000-4000-8000-000000000007"
STRANGERS: list[dict[str, Any]] = [
    {"sub": store_callers.PLATFORM["sub"]},
    {"sub": "not-a-uuid"},
    {"sub": ""},
    {"sub": None},
    {"sub": 7},
    {"sub": [store_callers.ADA]},
    {"sub": {"id": store_callers.ADA}},
    {"sub": f" {store_callers.ADA}"},
    {"sub": f"{{{store_callers.ADA}}}"},
    {"sub": f"{store_callers.ADA}\n"},
    {"sub": f"{store_callers.ADA}' or true --"},
    {"sub": "%"},
    {},
    {"sub": store_callers.PLATFORM["sub"], "email": "bo@x.org"},
    {"email": "bo@x.org", "email_verified": True},
    {"email": "bo@x.org", "user_metadata": {"email_verified": True}},
    {"email": "bo@x.org", "app_metadata": {"email_verified": "yes"}},
    {"email": "bo@x.org", "app_metadata": {"email_verified": [True]}},
    {"app_metadata": {"email_verified": True}},
    {"email": "bo@x.org.evil.example", "app_metadata": {"email_verified": True}},
    {"user_metadata": {"sub": store_callers.ADA, "wbx_role": "platform", "role": "admin"}},
    {"sub": NEW, "user_metadata": {"app_metadata": {"wbx_role": "platform"}}},
    {"sub": NEW, "wbx_role": "platform"},
    {"sub": NEW, "role": "service_role"},
    {"sub": NEW, "role": "platform", "aal": "aal2", "is_anonymous": True},
    {"app_metadata": [{"wbx_role": "platform"}]},
    {"app_metadata": {"wbx_role": " platform"}},
    {"app_metadata": {"WBX_ROLE": "platform"}},
]


async def test_whoever_proves_no_membership_sees_nothing(place: Place) -> None:
    """No row of any table or view, for any forged, missing, malformed or self-made claim."""
    for claims in STRANGERS:
        stranger = place.callers.of(claims)
        for relation in [*place.owned, *place.unowned, *place.views]:
            if relation not in CLOSED:
                query = sql.SQL("select 1 from ops.{} limit 1").format(sql.Identifier(relation))
                assert await stranger.rows(query) == [], (relation, claims)


async def test_claims_that_are_no_claims_show_nothing(place: Place) -> None:
    """Nothing set at all, an empty text, what is no object, what is no JSON: no row, or an error."""
    for claims in ("", None, "null", "{", "[]", '"x"', "7"):
        for relation in ("projects", "runs", "run_events", "declared", "resources", "installation"):
            try:
                assert await _with(place.callers.conn, claims, relation) == [], claims
            except psycopg.errors.InvalidTextRepresentation:
                assert claims == "{"


async def _with(conn: psycopg.AsyncConnection, claims: str | None, relation: str) -> list[Any]:
    query = sql.SQL("select 1 from ops.{} limit 1").format(sql.Identifier(relation))
    async with conn.transaction():
        await conn.execute("set local role authenticated")
        if claims is not None:
            await conn.execute("select set_config('request.jwt.claims', %s, true)", (claims,))
        return await (await conn.execute(query)).fetchall()


async def test_one_request_leaves_nothing_to_the_next(place: Place) -> None:
    """Role and claims end with their transaction, committed or not: the connection is nobody's again."""
    conn = place.callers.conn
    assert await place.callers.viewer.one("select count(*) from ops.projects") == 1
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with conn.transaction():
            await conn.execute("select 1 from ops.projects")
    with pytest.raises(psycopg.errors.DivisionByZero):
        await place.callers.platform.rows("select 1 / 0 from ops.projects")
    async with conn.transaction():
        await conn.execute("set local role authenticated")
        found = await conn.execute("select count(*) from ops.projects")
        assert await found.fetchone() == (0,)


JOINS = (
    (
        "select 1 from ops.projects p full join ops.{} t on t.project_id = p.id"
        " where p.id = {theirs} or t.project_id = {theirs}"
    ),
    (
        "select 1 from ops.runs r right join ops.{} t on true"
        " where t.project_id = {theirs} or r.project_id = {theirs}"
    ),
    "select 1 where exists (select 1 from ops.{} t where t.project_id = {theirs})",
    (
        "with recursive w as (select project_id from ops.{} union select t.project_id from ops.runs t, w)"
        " select 1 from w where project_id = {theirs}"
    ),
    (
        "select 1 from (values (1)) v(x) cross join lateral"
        " (select project_id from ops.{} t where x = 1 and t.project_id = {theirs}) l"
    ),
)


async def test_joins_lead_nowhere(place: Place) -> None:
    """From each table by project, by run and from nothing at all: rows of the other project are not joined."""
    viewer = place.callers.viewer
    for table in [*place.owned, *place.views]:
        for form in JOINS:
            query = sql.SQL(form).format(sql.Identifier(table), theirs=sql.Literal(place.theirs))
            assert await viewer.rows(query) == [], (table, form)


async def test_conditions_are_asked_of_the_own_rows_only(place: Place) -> None:
    """A condition that fails on a row of another project fails only where that row may be seen."""
    for table in place.owned:
        trap = sql.SQL(
            "select 1 from ops.{} where 1 / (case when project_id = {} then 0 else 1 end) = 0"
        ).format(sql.Identifier(table), sql.Literal(place.theirs))
        assert await place.callers.viewer.rows(trap) == [], table
        with pytest.raises(psycopg.errors.DivisionByZero):
            await place.callers.platform.rows(trap)


async def test_plans_of_queries_count_nothing_of_others(place: Place) -> None:
    """The statistics of columns are closed to callers, and EXPLAIN ANALYZE counts what the caller sees."""
    viewer = place.callers.viewer
    assert (
        await viewer.rows("select 1 from pg_stats where schemaname in ('ops', 'ops_private')") == []
    )
    told = await viewer.rows("explain (analyze, costs off, timing off) select 1 from ops.projects")
    assert "Rows Removed" in " ".join(row[0] for row in told)


async def the_run(place: Place) -> uuid.UUID:
    """The other project's run."""
    found = await place.callers.platform.one(
        "select run_id from ops.runs where namespace = 'other' and operation = 'execute' limit 1"
    )
    assert isinstance(found, uuid.UUID)
    return found


async def test_no_function_reaches_into_another_project(place: Place) -> None:
    """Every function of the schema, asked about the other project: refused as unknown, or no rows."""
    run = await the_run(place)
    proposal = await place.callers.platform.one(
        "select id from ops.fix_proposals where project_id = %s limit 1", place.theirs
    )
    probes: dict[str, tuple[Any, ...]] = {
        "cancel": (run,),
        "compare_runs": ("seed-" + str(place.theirs)[:8],),
        "confirm": ("a" * 12,),
        "deliver_again": ("github", f"seed-{str(place.theirs)[:8]}"),
        "intervene": ("suspend", "RunnerJob", "other", "job", "{}"),
        "lineage": (store_seed.DIGEST,),
        "plans_for_me": ("b",),
        "plans_page": ("2090-01-01T00:00:00Z", ""),
        "receive_delivery": ('{"forge": "gitea", "id": "1", "event": "push"}',),
        "rerun": (run,),
        "resources_at": ("now",),
        "runner_answer": ("a token", "a boot", "a-key", "{}"),
        "runner_prove": ("a token", "a boot", "a-path", "a" * 64),
        "runner_used": ("a token", "a boot", "running", 1.0),
        "runner_claim": ("a token", "a boot", "a certificate"),
        "runner_finish": ("a token", "a boot", "{}", []),
        "runner_heartbeat": ("a token", "a boot", "staged"),
        "runner_logs": ("a token", "a boot", 0, b"x"),
        "runner_upload": ("a token", "a boot", "out.csv", "0" * 64, 1),
        "resume": ("RunnerJob", "other", "job"),
        "search_documents": ("other", "{1,0,0,0}", 5, "x"),
        "snooze": (proposal, "2090-01-01T00:00:00Z"),
        "suspend": ("RunnerJob", "other", "job"),
        "tally_delivery": ('{"forge": "gitea", "outcome": "refused", "why": "x"}',),
        "verify_run": (run,),
        "verify_runs": ([run],),
        "webhook_sources": (),
    }
    found = await place.callers.viewer.rows(
        "select distinct proname from pg_proc where pronamespace = 'ops'::regnamespace"
    )
    assert {name for (name,) in found} == set(probes), "a new function needs a probe"
    refused: dict[str, str | None] = {}
    for name, args in probes.items():
        marks = sql.SQL(", ").join([sql.Placeholder()] * len(args))
        query = sql.SQL("select to_jsonb(f) from ops.{}({}) f").format(sql.Identifier(name), marks)
        try:
            rows = await place.callers.admin.rows(query, *args)
        except psycopg.Error as refusal:
            refused[name] = refusal.sqlstate
            continue
        assert str(place.theirs) not in json.dumps(rows), name
        assert '"other"' not in json.dumps(rows), name
        assert name in {"resources_at", "lineage", "plans_page"} or rows == [], name
    by_token = {name for name in probes if name.startswith("runner_")}
    by_token |= {"receive_delivery", "tally_delivery", "webhook_sources"}
    assert {refused.pop(name) for name in by_token} == {"42501"}
    assert set(refused.values()) == {"PT404"}, refused


async def test_notifications_tell_nothing(
    place: Place, store: postgres.Postgres, server: embedded.Server, database: str
) -> None:
    """Whoever listens learns that something changed: no channel of a project, no payload."""
    url = server.url_for("wbx_api", database)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        await conn.execute("listen ops_changed")
        await store_callers.open_run(store, "other")
        await place.callers.foreign.rows("select ops.suspend('RunnerJob', 'other', 'job')")
        heard = [note async for note in conn.notifies(timeout=30, stop_after=2)]
    assert {(note.channel, note.payload) for note in heard} == {("ops_changed", "")}


async def test_nothing_notifies_with_a_name(server: embedded.Server, database: str) -> None:
    """Every pg_notify in the functions of the schema has a channel of all, and a payload that is empty or the word Source."""
    owner_url = server.url_for("wbx_migrate", database)
    async with await psycopg.AsyncConnection.connect(owner_url) as conn:
        found = await conn.execute(
            "select p.proname, m.call from pg_proc p"
            " cross join lateral (select (regexp_matches(lower(p.prosrc), '(pg_notify\\s*\\([^;]*|\\mnotify\\s[^;]*)', 'g'))[1])"
            " m(call) where p.pronamespace in ('ops'::regnamespace, 'ops_private'::regnamespace)"
        )
        calls = await found.fetchall()
    assert len(calls) >= 3
    told = {call.strip() for _, call in calls}
    channels = ("ops_changed", "ops_events", "ops_logs", "ops_runners", "ops_webhooks")
    empty = {f"pg_notify('{channel}', '')" for channel in channels}
    assert told == empty | {"pg_notify('ops_changed', 'source')"}
