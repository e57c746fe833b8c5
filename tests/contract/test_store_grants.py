"""Who holds which privilege on what: every role on every table, view, sequence and function, from the catalog."""

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import store_callers
import store_server
from psycopg import sql
from store_fixtures import database, server, store

from workbenchx.store import embedded, postgres

__all__ = ["database", "server", "store"]

READ, ADD, CHANGE, REMOVE = "select", "insert", "update", "delete"
VERBS = (READ, ADD, CHANGE, REMOVE, "truncate", "references", "trigger")
ROLES = ("anon", "authenticated", "service_role", "wbx_engine", "wbx_api")
# What differs from the rule: callers read, the engine reads, adds and changes, nobody removes.
CLOSED_TO_CALLERS = {
    "fix_turns",
    "plans",
    "removals",
    "runner_output",
    "runner_requests",
    "commit_reports",
    "pull_reviews",
    "review_states",
    "runners",
    "source_objects",
}
APPEND_ONLY = {
    "anchors",
    "declared_commits",
    "declared_history",
    "event_batches",
    "resource_history",
    "run_events",
}
FIXED_ROWS = {"chores", "installation", "leader"}
REMOVABLE = {
    "commit_reports",
    "declared",
    "declared_epochs",
    "documents",
    "fix_answers",
    "fix_waits",
    "log_chunks",
    "merge_bounds",
    "observations",
    "plans",
    "project_members",
    "pull_reviews",
    "removals",
    "reservations",
    "review_states",
    "runner_output",
    "runner_requests",
    "runners",
    "source_objects",
    "webhook_deliveries",
    "webhook_tallies",
}
WRITING = {
    "cancel": "uuid",
    "confirm": "text",
    "deliver_again": "text, text",
    "intervene": "text, text, text, text, jsonb",
    "receive_delivery": "jsonb",
    "rerun": "uuid",
    "runner_answer": "text, text, text, jsonb",
    "runner_prove": "text, text, text, text",
    "runner_used": "text, text, text, double precision",
    "runner_claim": "text, text, text",
    "runner_finish": "text, text, jsonb, text[]",
    "runner_heartbeat": "text, text, text",
    "runner_logs": "text, text, bigint, bytea",
    "runner_upload": "text, text, text, text, bigint",
    "resume": "text, text, text, boolean",
    "snooze": "uuid, timestamp with time zone",
    "suspend": "text, text, text",
    "tally_delivery": "jsonb",
}
ASKING = {
    "compare_runs",
    "lineage",
    "plans_for_me",
    "plans_page",
    "resources_at",
    "search_documents",
    "verify_run",
    "verify_runs",
    "webhook_sources",
}
HELPERS = {
    "applied_migrations",
    "caller_id",
    "deliver_again",
    "intervene",
    "is_member",
    "is_platform",
    "least_role",
    "lineage_down",
    "lineage_up",
    "my_project_names",
    "my_projects",
    "my_role",
    "plans_for_me",
    "plans_page",
    "receive_delivery",
    "rerun",
    "retrieval_off",
    "role_rank",
    "runner_answer",
    "runner_prove",
    "runner_used",
    "runner_claim",
    "runner_finish",
    "runner_heartbeat",
    "runner_logs",
    "runner_upload",
    "tally_delivery",
    "vector_missing",
    "vector_schema",
    "verify_visible",
    "webhook_sources",
}
RELATIONS = (
    "select n.nspname, c.relname, c.relkind, c.relispartition, c.oid from pg_class c"
    " join pg_namespace n on n.oid = c.relnamespace where n.nspname in ('ops', 'ops_private')"
    " and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') order by 1, 2"
)


@contextlib.contextmanager
def owner(server: embedded.Server, database: str) -> Iterator[psycopg.Connection]:
    """The owner of the schema, in one transaction that is given up."""
    with psycopg.connect(server.url_for("wbx_migrate", database)) as conn:
        yield conn
        conn.rollback()


def expected(schema: str, name: str, kind: str, role: str) -> set[str]:
    """The privileges that a role is to have on a relation; a new table has the rule's until it is named above."""
    if schema == "ops_private" or kind == "S" or role not in {"authenticated", "service_role"}:
        return set()
    if role == "authenticated":
        return set() if name in CLOSED_TO_CALLERS else {READ}
    if kind == "v":
        return {READ}
    adds = set() if name in FIXED_ROWS else {ADD}
    changes = set() if name in APPEND_ONLY else {CHANGE}
    removes = {REMOVE} if name in REMOVABLE else set()
    return {READ} | adds | changes | removes


def test_every_role_has_what_it_needs_and_nothing_more(
    server: embedded.Server, database: str
) -> None:
    """On every table, view, partition and sequence; logins have nothing before they become a role."""
    with owner(server, database) as conn:
        conn.execute("select ops_private.ensure_log_day(current_date)")
        wrong, looked_at = [], 0
        for schema, name, kind, part, oid in conn.execute(RELATIONS).fetchall():
            for role in ROLES:
                wanted = set() if part else expected(schema, name, kind, role)
                held = {verb for verb in VERBS if _holds(conn, role, oid, kind, verb)}
                looked_at += 1
                if held != wanted:
                    wrong.append((schema, name, role, sorted(held), sorted(wanted)))
    assert wrong == []
    assert looked_at > 200


def _holds(conn: psycopg.Connection, role: str, oid: int, kind: str, verb: str) -> bool:
    """A privilege on the whole or on any column; of a sequence, any use at all."""
    if kind == "S":
        found = conn.execute(
            "select has_sequence_privilege(%s, %s, 'usage, select, update')", (role, oid)
        )
        return bool((found.fetchone() or [False])[0])
    whole = conn.execute("select has_table_privilege(%s, %s, %s)", (role, oid, verb)).fetchone()
    if whole is None or whole[0] or verb not in {READ, ADD, CHANGE, "references"}:
        return bool(whole and whole[0])
    column = conn.execute(
        "select has_any_column_privilege(%s, %s, %s)", (role, oid, verb)
    ).fetchone()
    return bool(column and column[0])


def test_nothing_is_granted_to_everybody(server: embedded.Server, database: str) -> None:
    """PUBLIC holds no schema, relation, column or function of ours; no default privilege would give it one."""
    with owner(server, database) as conn:
        found = conn.execute(
            "with acl(what, items) as ("
            " select n.nspname::text, n.nspacl from pg_namespace n where n.nspname in ('ops', 'ops_private')"
            " union all select c.oid::regclass::text, c.relacl from pg_class c"
            "  where c.relnamespace in ('ops'::regnamespace, 'ops_private'::regnamespace)"
            " union all select a.attrelid::regclass || '.' || a.attname, a.attacl from pg_attribute a"
            "  join pg_class c on c.oid = a.attrelid"
            "  where c.relnamespace in ('ops'::regnamespace, 'ops_private'::regnamespace)"
            " union all select p.oid::regprocedure::text, coalesce(p.proacl, acldefault('f', p.proowner)) from pg_proc p"
            "  where p.pronamespace in ('ops'::regnamespace, 'ops_private'::regnamespace)"
            ") select what, x.grantee::regrole::text, x.privilege_type from acl cross join aclexplode(items) x"
            " where x.grantee = 0 or x.grantee = to_regrole('anon')"
        ).fetchall()
        assert found == []
        later = conn.execute(
            "select defaclnamespace::regnamespace::text from pg_default_acl"
        ).fetchall()
        assert [row for row in later if row[0] in {"ops", "ops_private", "-"}] == []


def test_every_table_has_row_level_security_and_one_way_to_read(
    server: embedded.Server, database: str
) -> None:
    """One permissive SELECT policy, for authenticated alone, that asks for the caller once a statement."""
    with owner(server, database) as conn:
        tables = conn.execute(
            "select c.oid::regclass::text, c.relrowsecurity, c.relispartition,"
            " array(select p.polcmd::text || '/' || p.polpermissive || '/' ||"
            "   array(select r::regrole::text from unnest(p.polroles) r)::text from pg_policy p where p.polrelid = c.oid),"
            " (select pg_get_expr(p.polqual, p.polrelid) from pg_policy p where p.polrelid = c.oid and p.polpermissive)"
            " from pg_class c where c.relkind in ('r', 'p')"
            " and c.relnamespace in ('ops'::regnamespace, 'ops_private'::regnamespace)"
        ).fetchall()
    assert len(tables) > 30
    for name, secured, part, policies, condition in tables:
        assert secured, name
        if part:
            assert policies == [], name
            continue
        assert policies == ["r/true/{authenticated}"], name
        for call in ("my_projects()", "is_member()", "is_platform()", "my_project_names()"):
            assert condition.count(f"ops_private.{call}") == condition.count(
                f"SELECT ops_private.{call}"
            ), (name, "call it in a sub-select: once a statement, not once a row")


def test_every_view_asks_as_its_reader(server: embedded.Server, database: str) -> None:
    """A view of its owner's would show what row-level security hides."""
    with owner(server, database) as conn:
        views = conn.execute(
            "select relname, reloptions from pg_class where relnamespace = 'ops'::regnamespace and relkind in ('v', 'm')"
        ).fetchall()
    assert {
        name for name, options in views if "security_invoker=true" not in (options or [])
    } == set()
    assert len(views) >= 2


def test_every_function_is_known(server: embedded.Server, database: str) -> None:
    """Fixed search_path; what callers may execute is named here; what defines the rights is not exposed."""
    with owner(server, database) as conn:
        found = conn.execute(
            "select n.nspname, p.proname, p.prosecdef, p.provolatile = 'v', coalesce(array_to_string(p.proconfig, ','), ''),"
            " has_function_privilege('authenticated', p.oid, 'execute'), has_function_privilege('anon', p.oid, 'execute'),"
            " has_function_privilege('wbx_api', p.oid, 'execute')"
            " from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname in ('ops', 'ops_private')"
        ).fetchall()
    for schema, name, definer, _, config, callers, anon, bare in found:
        assert 'search_path=""' in config, name
        assert not anon, name
        assert not bare, name
        assert not (definer and schema == "ops"), name
        wanted = (WRITING.keys() | ASKING) if schema == "ops" else HELPERS
        assert callers == (name in wanted), (schema, name)
    assert {name for schema, name, *_ in found if schema == "ops"} == WRITING.keys() | ASKING
    writing = {name for _, name, _, volatile, _, callers, *_ in found if callers and volatile}
    assert writing == WRITING.keys()


def test_logins_become_what_they_should(server: embedded.Server, database: str) -> None:
    """Memberships, and no attribute that goes around row-level security."""
    with owner(server, database) as conn:
        members = conn.execute(
            "select m.member::regrole::text, m.roleid::regrole::text from pg_auth_members m"
            " where m.member in ('wbx_api'::regrole, 'wbx_engine'::regrole, 'wbx_migrate'::regrole,"
            " 'anon'::regrole, 'authenticated'::regrole, 'service_role'::regrole) order by 1, 2"
        ).fetchall()
        assert members == [
            ("wbx_api", "anon"),
            ("wbx_api", "authenticated"),
            ("wbx_engine", "service_role"),
        ]
        strong = conn.execute(
            "select rolname from pg_roles where (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)"
            " and rolname in ('wbx_api', 'wbx_engine', 'wbx_migrate', 'anon', 'authenticated', 'service_role')"
        ).fetchall()
        assert strong == [("service_role",)]


OUTSIDE = ("service_role", "wbx_engine", "wbx_migrate", "postgres", "wbx_admin")


@pytest.mark.parametrize("role", OUTSIDE)
async def test_a_caller_becomes_nobody_else(
    store: postgres.Postgres, server: embedded.Server, database: str, role: str
) -> None:
    """Neither by SET ROLE nor by set_config, whatever the claims say the role is."""
    await store_callers.two_projects(store)
    async with store_callers.connected(server, database) as callers:
        claims = {**store_callers.PLATFORM, "role": role}
        for statement in (
            sql.SQL("set local role {}").format(sql.Identifier(role)),
            sql.SQL("select set_config('role', {}, true)").format(sql.Literal(role)),
            sql.SQL("set session authorization {}").format(sql.Identifier(role)),
        ):
            with pytest.raises(
                (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidParameterValue)
            ):
                await callers.of(claims).rows(statement)


def _attempts(name: str) -> dict[str, sql.Composed]:
    """One statement for each verb, which would do nothing where it is allowed."""
    texts = {
        READ: "select 1 from ops.{} limit 1",
        ADD: "insert into ops.{} default values",
        CHANGE: "update ops.{} set {} = {} where false",
        REMOVE: "delete from ops.{} where false",
        "truncate": "truncate ops.{}",
    }
    column = sql.Identifier(_A_COLUMN.get(name, "project_id"))
    return {
        verb: sql.SQL(text).format(sql.Identifier(name), *([column] * (text.count("{}") - 1)))
        for verb, text in texts.items()
    }


_A_COLUMN = {
    "anchors": "day",
    "chores": "name",
    "commit_reports": "verdict",
    "declared": "line",
    "declared_commits": "at",
    "declared_history": "line",
    "declared_timeline": "line",
    "declared_epochs": "at",
    "installation": "environment",
    "leader": "holder",
    "merge_bounds": "commit",
    "observation_epochs": "at",
    "provider_gates": "message",
    "fix_turns": "source",
    "plans": "commit",
    "pull_reviews": "title",
    "removals": "bytes",
    "review_states": "message",
    "runner_output": "at_byte",
    "runner_requests": "key",
    "runners": "state",
    "source_objects": "line",
}


def _may(conn: psycopg.Connection, statement: sql.Composed) -> bool:
    """Whether the server lets the statement begin: a constraint may still refuse what it would write."""
    conn.execute("savepoint attempt")
    try:
        conn.execute(statement)
    except (
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.ObjectNotInPrerequisiteState,
        psycopg.errors.WrongObjectType,
    ):
        return False
    except psycopg.errors.IntegrityError:
        return True
    else:
        return True
    finally:
        conn.execute("rollback to attempt")


def test_what_the_catalog_says_is_what_happens(server: embedded.Server, database: str) -> None:
    """Each verb tried on each table by each login as it works: members of every rank, strangers, the engine, the owner."""
    claims: list[Any] = [
        store_callers.PLATFORM,
        {"sub": store_callers.BO},
        {"sub": store_callers.EVE},
        {},
    ]
    callers = [("wbx_api", "authenticated", claim) for claim in claims]
    logins = [*callers, ("wbx_api", "anon", {}), ("wbx_api", None, {}), ("wbx_engine", None, {})]
    with owner(server, database) as conn:
        names = [
            (name, kind)
            for schema, name, kind, part, _ in conn.execute(RELATIONS).fetchall()
            if schema == "ops" and kind != "S" and not part
        ]
    tried = 0
    for login, role, claim in logins:
        with psycopg.connect(server.url_for(login, database)) as conn:
            if role:
                conn.execute(store_callers.BECOME, store_callers.who(role, claim))
            for name, kind in names:
                acting = role or ("service_role" if login == "wbx_engine" else "wbx_api")
                wanted = expected("ops", name, kind, acting)
                for verb, statement in _attempts(name).items():
                    assert _may(conn, statement) == (verb in wanted), (login, role, name, verb)
                    tried += 1
            conn.rollback()
    assert tried > 1000


@pytest.mark.parametrize("name", sorted(APPEND_ONLY))
async def test_what_is_append_only_refuses_its_owner_too(
    store: postgres.Postgres, server: embedded.Server, database: str, name: str
) -> None:
    """By a trigger; and nobody but the owner can take that away."""
    await store_callers.two_projects(store)
    with owner(server, database) as conn:
        column = _A_COLUMN.get(name, "project_id")
        for verb in ("update ops.{} set {} = null", "delete from ops.{}", "truncate ops.{}"):
            tried = sql.SQL(verb).format(sql.Identifier(name), sql.Identifier(column))
            assert not _may(conn, tried), verb
    ways_around = (
        sql.SQL("alter table ops.{} disable trigger all").format(sql.Identifier(name)),
        sql.SQL("drop table ops.{}").format(sql.Identifier(name)),
        sql.SQL("set session_replication_role = replica").format(),
    )
    for login, role in (("wbx_engine", None), ("wbx_api", "authenticated")):
        with psycopg.connect(server.url_for(login, database)) as conn:
            if role:
                conn.execute(store_callers.BECOME, store_callers.who(role, store_callers.PLATFORM))
            assert [_may(conn, way) for way in ways_around] == [False, False, False]
            conn.rollback()


def test_the_administrator_is_no_login_of_the_product(
    server: embedded.Server, database: str
) -> None:
    """The tests above mean something: the server's administrator may do what they refuse."""
    with psycopg.connect(store_server.administrator(server, database)) as conn:
        assert _may(conn, sql.SQL("alter table ops.run_events disable trigger all").format())
        conn.rollback()
