"""A database that is away for a while: waited for, never fatal."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

from workbenchx import errors

LOG = logging.getLogger(__name__)
_Change = TypeVar("_Change")


@contextlib.contextmanager
def database_pauses() -> Iterator[None]:
    """A database that is away for a while is waited for, not fatal."""
    try:
        yield
    except errors.Waiting as problem:
        LOG.warning("waiting: %s", problem.message)


@contextlib.contextmanager
def bugs_told(about: str) -> Iterator[None]:
    """A bug met in the work for one of many ends that work alone: its trace is in the log, the others go on.

    Raises:
        errors.Stalled: reason InternalError.
    """
    try:
        yield
    except errors.WorkbenchError:
        raise
    except Exception as bug:
        LOG.exception("%s: a bug in WorkbenchX", about)
        told = f"internal error: {type(bug).__name__}"
        raise errors.Stalled(told, reason="InternalError") from bug


async def surviving(changes: Callable[[], AsyncIterator[_Change]]) -> AsyncIterator[_Change]:
    """The change stream, begun anew whenever the database comes back."""
    while True:
        try:
            async for change in changes():
                yield change
        except errors.Waiting as problem:
            LOG.warning("waiting: %s", problem.message)
            await asyncio.sleep(problem.retry_after)


async def wake(changes: Callable[[], AsyncIterator[object]], sleeper: asyncio.Event) -> None:
    """Set an event at each change, until cancelled."""
    async for _ in surviving(changes):
        sleeper.set()
