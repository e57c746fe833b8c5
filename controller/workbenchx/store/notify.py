"""Waiting for changes without polling: LISTEN on a connection of its own."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Container, Sequence

import psycopg
from psycopg import sql

from workbenchx import errors
from workbenchx.store import connections, pooling

CHANGED = "ops_changed"
EVENTS = "ops_events"
LOGS = "ops_logs"
RUNNERS = "ops_runners"
WEBHOOKS = "ops_webhooks"
_BURST_SECONDS = 0.01


class Changes:
    """The part of the store that wakes whoever waits."""

    _db: connections.Connections

    async def changes(self, *, others: bool = False) -> AsyncIterator[frozenset[str] | None]:
        """One item at start, then one per burst of NOTIFYs. `others`: of those that this store did not cause itself.

        An item is the kinds of which alone something changed, where all of the burst says so; None: anything may have.

        Raises:
            errors.Waiting: reason DatabaseUnavailable: begin anew when the database is back.
            errors.Stalled: reason TransactionPooler: nobody would ever be heard.
        """
        ours = self._db.backends if others else _nobody
        async with contextlib.aclosing(_heard(self._db.url, CHANGED, ours=ours)) as bursts:
            async for told in bursts:
                kinds = frozenset(payload for _, payload in told)
                yield None if "" in kinds else kinds

    async def printed(self) -> AsyncIterator[None]:
        """The same, and whenever output of a program was recorded."""
        async with contextlib.aclosing(listen(self._db.url, CHANGED, LOGS)) as bursts:
            async for _ in bursts:
                yield


def _nobody() -> frozenset[int]:
    return frozenset()


async def listen(
    url: str, *channels: str, ours: Callable[[], Container[int]] = _nobody
) -> AsyncGenerator[frozenset[str], None]:
    """The channels that were heard in each burst of NOTIFYs, at the start all; for any login.

    `ours`: server processes whose NOTIFYs nobody has to hear of.

    Raises:
        errors.Waiting: as `Changes.changes`.
        errors.Stalled: reason TransactionPooler: nobody would ever be heard.
    """
    async with contextlib.aclosing(_heard(url, *channels, ours=ours)) as bursts:
        async for told in bursts:
            yield frozenset(channel for channel, _ in told)


async def _heard(
    url: str, *channels: str, ours: Callable[[], Container[int]] = _nobody
) -> AsyncGenerator[frozenset[tuple[str, str]], None]:
    """The same, each channel with what was said on it; at the start nothing was."""
    pooling.refuse_port(url)
    with connections.meaning():
        conn = await psycopg.AsyncConnection.connect(
            url, autocommit=True, application_name="workbenchx listen"
        )
    async with contextlib.aclosing(_listen(conn, url, channels, ours)) as bursts:
        async for heard in bursts:
            yield heard


async def _listen(
    conn: psycopg.AsyncConnection,
    url: str,
    channels: Sequence[str],
    ours: Callable[[], Container[int]],
) -> AsyncGenerator[frozenset[tuple[str, str]], None]:
    try:
        with connections.meaning():
            await pooling.refuse(conn, url)
            for channel in channels:
                await conn.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
            yield frozenset((channel, "") for channel in channels)
            while True:
                told = [one async for one in conn.notifies(stop_after=1)]
                told += [one async for one in conn.notifies(timeout=_BURST_SECONDS)]
                known = ours()
                heard = frozenset(
                    (one.channel, one.payload) for one in told if one.pid not in known
                )
                if heard:
                    yield heard
    except psycopg.Error as error:
        raise errors.Waiting(
            f"database: {error}", reason="DatabaseUnavailable", retry_after=1.0
        ) from error
    finally:
        await conn.close()
