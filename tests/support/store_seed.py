"""Rows in every table of `ops`, for two projects and for none: made from the catalog, so that a new table has some too."""

import hashlib
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql

from workbenchx.api import registry

DIGEST = hashlib.sha256(b"x").hexdigest()
# What a column takes by its type, unless its name says more.
BY_TYPE: Mapping[str, Any] = {
    "uuid": sql.SQL("gen_random_uuid()"),
    "timestamp with time zone": sql.SQL("now()"),
    "date": sql.SQL("current_date"),
    "boolean": sql.SQL("true"),
    "integer": sql.SQL("1"),
    "bigint": sql.SQL("1"),
    "double precision": sql.SQL("1"),
    "numeric(14,6)": sql.SQL("1"),
    "jsonb": sql.SQL("'{}'"),
    "bytea": sql.SQL("sha256('x')"),
    "text[]": sql.SQL("'{}'"),
}
BY_NAME: Mapping[str, str] = {
    "sha256": DIGEST,
    "cause": DIGEST,
    "key": f"sha256/{DIGEST}",
    "type": "RunQueued",
    "verb": "suspend",
    "role": "viewer",
    "email": "seed@x.org",
    "operation": "execute",
    "forge": "github",
    "outcome": "refused",
    "fix_waits.state": "capped",
    "observations.state": "running",
    "resource_history.state": "Pending",
}
ALSO: Mapping[str, tuple[str, ...]] = {"project_members": ("email",)}
COLUMNS = """
select a.attname, format_type(a.atttypid, a.atttypmod)
from pg_attribute a
where a.attrelid = to_regclass('ops.' || %s) and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
  and ((a.attnotnull and not a.atthasdef and a.attidentity = '') or a.attname = any(%s))
"""


async def tables(conn: psycopg.AsyncConnection, *, project_id: bool) -> list[str]:
    """Tables of `ops` with (or without) a column `project_id`; of a partitioned one the whole."""
    found = await conn.execute(
        "select c.relname from pg_class c where c.relnamespace = 'ops'::regnamespace and c.relkind in ('r', 'p')"
        " and not c.relispartition and %s = exists (select 1 from pg_attribute a where a.attrelid = c.oid"
        " and a.attname = 'project_id' and not a.attisdropped) order by 1",
        (project_id,),
    )
    return [row[0] for row in await found.fetchall()]


async def fill(conn: psycopg.AsyncConnection, projects: Mapping[str, str]) -> None:
    """Rows for each of the projects (name to id) in every table, and for none where a table has such."""
    await conn.execute("select ops_private.ensure_log_day(current_date)")
    for name, project in projects.items():
        await conn.execute("select ops_private.ensure_documents(%s, 'x', 4)", (project,))
        await conn.execute(
            "insert into ops.declared (kind, namespace, name, project, source)"
            " values ('Dataset', %(n)s, 'seed', %(n)s, 's') on conflict do nothing",
            {"n": name},
        )
        for table in await tables(conn, project_id=True):
            if table not in {"projects", "document_sets"}:
                await _insert(conn, table, project)
    await conn.execute(
        "insert into ops.plans (id, complete, document) values (repeat('a', 64), true, '{}')"
    )
    await conn.execute("insert into ops.webhook_deliveries values ('github', '1', 'push')")
    await conn.execute(
        "insert into ops.observation_epochs (provider, complete, at) values ('seed', true, now())"
    )
    await conn.execute("insert into ops.provider_gates (provider) values ('seed')")
    await _reviews(conn)
    await conn.execute("insert into ops.declared_epochs (source) values ('seed')")
    await conn.execute(
        "insert into ops.anchors (number, day, root, runs, events, key)"
        " values (1, current_date, repeat('a', 64), 1, 1, 'sha256/' || repeat('a', 64))"
    )


async def _insert(conn: psycopg.AsyncConnection, table: str, project: str) -> None:
    """One row; a table that refuses it needs a line above."""
    found = await conn.execute(COLUMNS, (table, ["project_id", *ALSO.get(table, ())]))
    values: dict[str, sql.Composable] = {}
    for name, kind in await found.fetchall():
        values[name] = _value(table, name, kind, project)
    query = sql.SQL("insert into ops.{} ({}) values ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(values.values()),
    )
    await conn.execute(query)


def _value(table: str, column: str, kind: str, project: str) -> sql.Composable:
    named = {
        "project_id": sql.Literal(project),
        "run_id": sql.SQL(f"gen_random_uuid()::{kind}"),
        "kind": sql.Literal(_kinds().get(table, "Dataset")),
        "embedding": sql.SQL("'[1,0,0,0]'"),
        "end_at": sql.SQL("2"),
        **dict.fromkeys(
            ("name", "source", "external_id", "fingerprint", "delivery_id", "why"),
            sql.Literal(f"seed-{project[:8]}"),
        ),
    }
    if column in named:
        return named[column]
    return BY_TYPE.get(kind) or sql.Literal(
        BY_NAME.get(f"{table}.{column}", BY_NAME.get(column, "x"))
    )


def _kinds() -> dict[str, str]:
    return {kind.table: name for name, kind in registry.KINDS.items() if kind.table}


async def _reviews(conn: psycopg.AsyncConnection[Any]) -> None:
    """A Source whose forge is told."""
    await conn.execute("insert into ops.review_states (source) values ('seed')")
    await conn.execute("insert into ops.merge_bounds (source, commit) values ('seed', 'c')")
    await conn.execute(
        "insert into ops.commit_reports (source, commit, context) values ('seed', 'c', 'x')"
    )
    await conn.execute(
        "insert into ops.pull_reviews (source, number, head, base, epochs, tree, verdict, title, digest)"
        " values ('seed', 1, 'h', 'b', '', 't', 'success', '', '')"
    )
