"""The pool, and what the database's errors mean to us."""

import contextlib
import errno
import os
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol

import psycopg
import psycopg_pool
from psycopg import rows

from workbenchx import errors
from workbenchx.store import pooling

Connection = psycopg.AsyncConnection[rows.TupleRow]
_PATIENCE = 15.0
_REFUSALS = frozenset({"42501", "PT400", "PT404", "PT409"})


class Transactions(Protocol):
    """Where transactions come from: a pool, a caller of the API, or one transaction that is open already."""

    def transaction(
        self, *, pipelined: bool = False
    ) -> contextlib.AbstractAsyncContextManager[Connection]:
        """One transaction, as `Connections.transaction`."""


class Connections:
    """Connections of one login to one database. Opened at first use; `close` when done. No transaction pooler between."""

    def __init__(self, url: str, *, most: int = 8) -> None:
        self.url = url
        self._pool = psycopg_pool.AsyncConnectionPool(
            url,
            min_size=1,
            max_size=most,
            open=False,
            timeout=_PATIENCE,
            reconnect_timeout=_PATIENCE,
            kwargs={"application_name": "workbenchx"},
            configure=self._note,
        )
        self._made: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._opened = False
        self._looked = False

    def backends(self) -> frozenset[int]:
        """The server processes of the connections that are open."""
        return frozenset(conn.info.backend_pid for conn in self._made if not conn.closed)

    async def _note(self, conn: Connection) -> None:
        self._made.add(conn)

    async def close(self) -> None:
        """Give all connections back."""
        if self._opened:
            await self._pool.close()

    @contextlib.asynccontextmanager
    async def transaction(self, *, pipelined: bool = False) -> AsyncIterator[Connection]:
        """One transaction: committed at the end, rolled back by any error.

        `pipelined`: statements whose answer nobody waits for travel together with the next one that is waited for.

        Raises:
            errors.Waiting: reason DatabaseUnavailable: the server went away or does not answer.
            errors.Conflict: somebody else wrote first.
            errors.Stalled: the login may not do this, or the disk is full, or a transaction pooler is between.
        """
        await self._open()
        try:
            with meaning():
                async with (
                    self._pool.connection() as conn,
                    conn.pipeline() if pipelined else contextlib.nullcontext(),
                    conn.transaction(),
                ):
                    yield conn
        except errors.Waiting:
            await self._drop_broken()
            raise

    async def _open(self) -> None:
        """At first use, look at who is at the other end; once that was good, no more."""
        if self._looked:
            return
        pooling.refuse_port(self.url)
        if not self._opened:
            self._opened = True
            await self._pool.open()
        with meaning():
            async with self._pool.connection() as conn:
                direct = await pooling.is_direct(conn)
            if not direct:
                await pooling.check(self.url)
        self._looked = True

    async def _drop_broken(self) -> None:
        """After a restart of the server every pooled connection is dead; the next caller should not meet one."""
        with contextlib.suppress(psycopg.Error):
            await self._pool.check()


@contextlib.contextmanager
def meaning() -> Iterator[None]:
    """Turn the driver's errors into ours, by what to do next."""
    try:
        yield
    except psycopg.Error as error:
        ours = translate(error)
        if ours is None:
            raise
        raise ours from error


def translate(error: psycopg.Error) -> errors.WorkbenchError | None:
    """Our error for one of the driver's; None: it is a bug."""
    return _refusal(error) or _translated(error)


def _translated(error: psycopg.Error) -> errors.WorkbenchError | None:
    told = _first_line(error)
    match error:
        case psycopg.errors.DiskFull() | psycopg.errors.OutOfMemory():
            return errors.Stalled(f"database: {told}; free some space", reason="DatabaseFull")
        case (
            psycopg.errors.UniqueViolation()
            | psycopg.errors.SerializationFailure()
            | psycopg.errors.DeadlockDetected()
            | psycopg.errors.ForeignKeyViolation()
        ):
            return errors.Conflict(f"database: {told}")
        case psycopg.errors.InsufficientPrivilege():
            return errors.Stalled(f"database: {told}", reason="Forbidden")
        case (
            psycopg.errors.UndefinedTable()
            | psycopg.errors.UndefinedFunction()
            | psycopg.errors.InvalidSchemaName()
        ):
            return errors.Stalled(
                f"database: {told}; run wbx db migrate", reason="DatabaseNotMigrated"
            )
        case psycopg.OperationalError():
            return errors.Waiting(
                f"database: it does not answer: {told}", reason="DatabaseUnavailable"
            )
    return None


def silent(who: str, error: psycopg.OperationalError) -> errors.WorkbenchError:
    """Our error for a server that does not answer `who` at the start: Stalled if that is for want of space."""
    told = _first_line(error)
    if os.strerror(errno.ENOSPC) in told:
        return errors.Stalled(f"{who}: {told}; free some space", reason="DatabaseFull")
    return errors.Waiting(
        f"{who}: the server does not answer: {told}", reason="DatabaseUnavailable"
    )


def _refusal(error: psycopg.Error) -> errors.Stalled | None:
    """A refusal by our own functions (ops_private.refuse): the reason in one word is its detail."""
    state, detail = error.sqlstate or "", error.diag.message_detail or ""
    if state in _REFUSALS and detail.isalpha():
        return errors.Stalled(_first_line(error), reason=detail)
    return None


def _first_line(error: psycopg.Error) -> str:
    text = (error.diag.message_primary or str(error) or type(error).__name__).strip()
    return text.splitlines()[0]


async def fetch(
    conn: Connection, query: Any, params: dict[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    """All rows of one query."""
    return await (await conn.execute(query, params)).fetchall()
