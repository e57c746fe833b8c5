"""`wbx db bootstrap`: what a server needs once, from its administrator, before the migrations.

Logins: `wbx_migrate` owns the schema, `wbx_engine` becomes service_role, `wbx_api` may do nothing until a transaction
sets its role and claims. On a bare server it also makes what Supabase has: the three API roles, the `auth` functions,
the `extensions` schema and pgvector where the server has it. Doing it again changes nothing.
"""

from collections.abc import Mapping

import psycopg
from psycopg import sql

from workbenchx import errors
from workbenchx.store import connections, pooling, queries

_SQL = queries.load("bootstrap")
_MARK = "WorkbenchX: prepared by wbx db bootstrap, version 1"
LOGINS = ("wbx_migrate", "wbx_engine", "wbx_api")


async def bootstrap(
    url: str, *, database: str = "wbx", passwords: Mapping[str, str] | None = None
) -> None:
    """Prepare the server that `url` reaches as its administrator, and `database` in it.

    `passwords`: by login; a login without one keeps what it has (embedded: the socket's folder is the lock).

    Raises:
        errors.Stalled: reason Forbidden (the login of `url` may not do this), DatabaseFull.
        errors.Waiting: reason DatabaseUnavailable.
    """
    try:
        if not passwords and await _is_done(url, database):
            return
        await _server(url, database, passwords or {})
        await _database(url, database)
    except psycopg.errors.InsufficientPrivilege as error:
        raise errors.Stalled(
            f"bootstrap: {error.diag.message_primary}; run it as the server's administrator",
            reason="Forbidden",
        ) from error
    except psycopg.OperationalError as error:
        raise connections.silent("bootstrap", error) from error


async def _is_done(url: str, database: str) -> bool:
    """Whether this version of bootstrap left its mark on the database: it is asked at every start."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        found = await conn.execute(_SQL["is_done"], {"database": database, "mark": _MARK})
        return await found.fetchone() is not None


async def _server(url: str, database: str, passwords: Mapping[str, str]) -> None:
    """Roles and the database: they belong to the whole server. One session at a time does this."""
    pooling.refuse_port(url)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
        await pooling.refuse(conn, url)
        await conn.execute(_SQL["one_at_a_time"])
        await conn.execute(_SQL["roles"])
        for login, password in passwords.items():
            if login in LOGINS:
                await conn.execute(
                    sql.SQL("alter role {} password {}").format(
                        sql.Identifier(login), sql.Literal(password)
                    )
                )
        found = await conn.execute(_SQL["database_exists"], {"database": database})
        if await found.fetchone() is None:
            await conn.execute(sql.SQL("create database {}").format(sql.Identifier(database)))
        await conn.execute(_SQL["done"])


async def _database(url: str, database: str) -> None:
    """Schemas, auth functions, vector and grants: they belong to the database."""
    async with (
        await psycopg.AsyncConnection.connect(url, dbname=database) as conn,
        conn.transaction(),
    ):
        await conn.execute(_SQL["one_at_a_time_here"])
        await conn.execute(_SQL["auth"])
        await conn.execute(_SQL["vector"])
        await conn.execute(_SQL["grants"])
        ((told,),) = await connections.fetch(conn, _SQL["mark"], {"mark": _MARK})
        mark = sql.SQL("comment on database {} is {}")
        await conn.execute(mark.format(sql.Identifier(database), sql.Literal(told)))
