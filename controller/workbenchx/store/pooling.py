"""Transaction poolers are refused: behind one, LISTEN hears nothing and prepared statements vanish.

A pooler that lends a server for one transaction (Supavisor's port 6543, PgBouncer with pool_mode = transaction) answers
every statement, so that nothing would fail at once: programs would just never wake. Who waits for changes, or prepares
statements, asks here first.
"""

import secrets
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import conninfo, sql

from workbenchx import errors

PORT = "6543"
# A notification within one server takes a millisecond. Only a connection behind a pooler is ever asked to wait so long.
_HEARD_SECONDS = 3.0
_HOW = (
    "it keeps neither LISTEN nor prepared statements; use the pooler's session mode"
    " (Supabase: port 5432 of the same host), or the server itself"
)


def refuse_port(url: str) -> None:
    """Refuse Supabase's transaction port before anybody connects to it.

    Raises:
        errors.Stalled: reason TransactionPooler.
    """
    try:
        found = conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return  # whoever connects says what is wrong with it
    if PORT in str(found.get("port") or "").split(","):
        raise _refusal(f'port {PORT} of "{found.get("host") or "localhost"}"')


async def refuse(conn: psycopg.AsyncConnection[Any], url: str) -> None:
    """Look at an open connection (to `url`, in autocommit, otherwise unused).

    One round trip where no pooler is between. A pooler is asked whether a notification arrives.

    Raises:
        errors.Stalled: reason TransactionPooler.
    """
    if await is_direct(conn):
        return
    if not await _keeps_a_session(conn, url):
        raise _refusal(f'"{conn.info.host}:{conn.info.port}"')


async def is_direct(conn: psycopg.AsyncConnection[Any]) -> bool:
    """Whether the process at the other end is the one that greeted us: a pooler greets with an invented number."""
    return await _backend(conn) == conn.info.backend_pid


async def check(url: str) -> None:
    """The same on a connection of its own.

    Raises:
        errors.Stalled: reason TransactionPooler.
    """
    async with await psycopg.AsyncConnection.connect(
        url, autocommit=True, application_name="workbenchx pooler?"
    ) as conn:
        await refuse(conn, url)


async def _keeps_a_session(conn: psycopg.AsyncConnection[Any], url: str) -> bool:
    """Whether a LISTEN outlives its transaction, and what it hears reaches us while we wait."""
    channel = f"wbx_{secrets.token_hex(8)}"
    before = await _backend(conn)
    await conn.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
    listening = await (await conn.execute("select pg_listening_channels()")).fetchall()
    if (channel,) not in listening or await _backend(conn) != before:
        return False
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as other:
        await other.execute("select pg_notify(%s, '')", (channel,))
    heard = [note.channel async for note in conn.notifies(timeout=_HEARD_SECONDS, stop_after=1)]
    await conn.execute(sql.SQL("unlisten {}").format(sql.Identifier(channel)))
    return channel in heard


async def _backend(conn: psycopg.AsyncConnection[Any]) -> int:
    row: Sequence[int] | None = await (await conn.execute("select pg_backend_pid()")).fetchone()
    return row[0] if row else 0


def _refusal(where: str) -> errors.Stalled:
    return errors.Stalled(
        f"database: {where} is a transaction pooler: {_HOW}", reason="TransactionPooler"
    )
