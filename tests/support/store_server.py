"""One embedded server for the whole test session, and a database of its own for each test, cloned from a template."""

import asyncio
import concurrent.futures
import contextlib
import itertools
import os
import pathlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from workbenchx.store import bootstrap, embedded, migrate, postgres

TEMPLATE = "wbx_template"
_numbers = itertools.count(1)


@contextlib.contextmanager
def home() -> Iterator[pathlib.Path]:
    """A new WBX_HOME that a server's own user can reach; its server is stopped at the end."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="wbx-t-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        asyncio.run(embedded.stop(folder))
        shutil.rmtree(folder, ignore_errors=True)


def reachable(folder: pathlib.Path) -> pathlib.Path:
    """Let the server's own user pass through `folder` and above it, else root's data lies under /var/lib for ever."""
    for each in (folder, *folder.parents):
        if os.geteuid() == 0 and each.stat().st_uid == 0 and each != each.parent:
            each.chmod(each.stat().st_mode | 0o001)
    return folder


_kept: list[embedded.Server] = []


def shared(config: pytest.Config) -> embedded.Server:
    """The server of this test process, with a migrated template; stopped when the session ends."""
    if not _kept:
        stack = contextlib.ExitStack()
        config.add_cleanup(stack.close)
        folder = stack.enter_context(home())
        _kept.append(prepared(_elsewhere(embedded.ensure_running(folder))))
    return _kept[0]


def prepared(server: embedded.Server) -> embedded.Server:
    """Give a server the template that `database` clones."""
    return _elsewhere(_prepare(server))


def _elsewhere(work: Coroutine[Any, Any, embedded.Server]) -> embedded.Server:
    """Run in a thread: a fixture may be asked for while a loop runs."""
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


# These servers hold nothing that anybody would miss: a database a test costs half when no disk is waited for.
_CARELESS = ("fsync", "full_page_writes", "synchronous_commit")


async def _prepare(server: embedded.Server) -> embedded.Server:
    async with await psycopg.AsyncConnection.connect(
        administrator(server), autocommit=True
    ) as conn:
        for name in _CARELESS:
            await conn.execute(sql.SQL("alter system set {} = off").format(sql.Identifier(name)))
        await conn.execute("select pg_reload_conf()")
    await bootstrap.bootstrap(administrator(server), database=TEMPLATE)
    await migrate.apply(server.url_for("wbx_migrate", TEMPLATE), environment="test")
    return server


def administrator(server: embedded.Server, database: str = "postgres") -> str:
    """The URL of the server's administrator."""
    return server.url_for(embedded.ADMINISTRATOR, database)


@contextlib.asynccontextmanager
async def database(
    server: embedded.Server, *, template: str | None = TEMPLATE
) -> AsyncIterator[str]:
    """The name of a new database; None as template: an empty one."""
    name = f"t{os.getpid()}_{next(_numbers)}"
    async with await psycopg.AsyncConnection.connect(
        administrator(server), autocommit=True
    ) as conn:
        made = sql.SQL("create database {} template {} strategy file_copy").format(
            sql.Identifier(name), sql.Identifier(template or "template0")
        )
        await conn.execute(made)
        for login in ("wbx_migrate", "wbx_engine", "wbx_api"):
            grant = sql.SQL("grant connect, create, temporary on database {} to {}")
            await conn.execute(grant.format(sql.Identifier(name), sql.Identifier(login)))
        try:
            yield name
        finally:
            drop = sql.SQL("drop database {} with (force)").format(sql.Identifier(name))
            await conn.execute(drop)


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[postgres.Postgres]:
    """A store, closed at the end."""
    store = postgres.Postgres(url)
    try:
        yield store
    finally:
        await store.close()
