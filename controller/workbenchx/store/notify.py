"""Waiting for changes without polling: LISTEN on a connection of its own."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

import psycopg

from workbenchx import errors
from workbenchx.store import connections

_BURST_SECONDS = 0.01


class Changes:
    """The part of the store that wakes whoever waits."""

    _db: connections.Connections

    async def changes(self) -> AsyncIterator[None]:
        """One item at start, then one per burst of NOTIFYs.

        Raises:
            errors.Waiting: reason DatabaseUnavailable: begin anew when the database is back.
        """
        async with contextlib.aclosing(listen(self._db.url)) as items:
            async for item in items:
                yield item


async def listen(url: str) -> AsyncGenerator[None, None]:
    """One item at start, then one per burst of NOTIFYs, for any login; errors as `Changes.changes`."""
    with connections.meaning():
        conn = await psycopg.AsyncConnection.connect(
            url, autocommit=True, application_name="workbenchx listen"
        )
    async with contextlib.aclosing(_listen(conn)) as items:
        async for item in items:
            yield item


async def _listen(conn: psycopg.AsyncConnection) -> AsyncGenerator[None, None]:
    try:
        with connections.meaning():
            await conn.execute("listen ops_changed")
            yield
            while True:
                async for _ in conn.notifies(stop_after=1):
                    pass
                async for _ in conn.notifies(timeout=_BURST_SECONDS):
                    pass
                yield
    except psycopg.Error as error:
        raise errors.Waiting(
            f"database: {error}", reason="DatabaseUnavailable", retry_after=1.0
        ) from error
    finally:
        await conn.close()
