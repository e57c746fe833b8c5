"""Databases in which `ops.run_events` and `ops.artifacts` were there before us, with rows of another program."""

import contextlib
from collections.abc import AsyncIterator

import psycopg
import store_server

from workbenchx.store import bootstrap, embedded, migrate

# What another program may have made, with rows.
FOREIGN = """
create schema ops;
create table ops.run_events (id bigserial primary key, run_id text, payload jsonb, created_at timestamptz default now());
create table ops.artifacts (id bigserial primary key, run_id text, payload jsonb, created_at timestamptz default now());
insert into ops.run_events (run_id, payload) values ('nightly-17', '{"step": 1}'), (null, null);
insert into ops.artifacts (run_id, payload) values ('nightly-17', '{"file": "x.csv"}'), (null, null);
"""
OURS_WITHOUT_MARKS = """
create schema ops;
create table ops.run_events (run_id RUN not null, at timestamptz not null default now(), type text not null,
  actor text not null default 'engine', project_id uuid, data jsonb not null default '{}');
create table ops.artifacts (id uuid primary key default gen_random_uuid(), run_id RUN, project_id uuid, name text not null,
  bucket text not null, key text not null, bytes bigint not null, media_type text not null, unique (run_id, name));
insert into ops.run_events (run_id, type) values ('00000000-0000-4000-8000-000000000001', 'started'),
  ('00000000-0000-4000-8000-000000000001', 'started');
insert into ops.artifacts (run_id, name, bucket, key, bytes, media_type) values
  ('00000000-0000-4000-8000-000000000001', 'model', 'b', 'sha256/' || repeat('a', 64), 3, 'x/y');
"""
SHAPES = {
    "foreign": FOREIGN,
    "ours, run_id text": OURS_WITHOUT_MARKS.replace("RUN", "text"),
    "ours, run_id uuid": OURS_WITHOUT_MARKS.replace("RUN", "uuid"),
}
TABLES = ("run_events", "artifacts")


@contextlib.asynccontextmanager
async def before(server: embedded.Server, script: str) -> AsyncIterator[str]:
    """The name of a bootstrapped database in which the owner of the migrations ran `script`, and nothing else."""
    async with store_server.database(server, template=None) as name:
        await bootstrap.bootstrap(store_server.administrator(server), database=name)
        async with await psycopg.AsyncConnection.connect(
            server.url_for("wbx_migrate", name), autocommit=True
        ) as conn:
            await conn.execute(script.encode())
        yield name


@contextlib.asynccontextmanager
async def adopted(server: embedded.Server, script: str) -> AsyncIterator[str]:
    """The same, migrated."""
    async with before(server, script) as name:
        await migrate.apply(server.url_for("wbx_migrate", name), environment="test")
        yield name
