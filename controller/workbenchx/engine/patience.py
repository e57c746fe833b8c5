"""A database that is away for a while: waited for, never fatal."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator

from workbenchx import errors

LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def database_pauses() -> Iterator[None]:
    """A database that is away for a while is waited for, not fatal."""
    try:
        yield
    except errors.Waiting as problem:
        LOG.warning("waiting: %s", problem.message)


async def surviving(changes: Callable[[], AsyncIterator[None]]) -> AsyncIterator[None]:
    """The change stream, begun anew whenever the database comes back."""
    while True:
        try:
            async for _ in changes():
                yield
        except errors.Waiting as problem:
            LOG.warning("waiting: %s", problem.message)
            await asyncio.sleep(problem.retry_after)


async def wake(changes: Callable[[], AsyncIterator[None]], sleeper: asyncio.Event) -> None:
    """Set an event at each change, until cancelled."""
    async for _ in surviving(changes):
        sleeper.set()
