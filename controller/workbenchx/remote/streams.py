"""Streams that outlive their connections: what breaks is resumed from the last id."""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator

from workbenchx import errors
from workbenchx.remote import client, sse

_PATIENCE = 120.0
_SHORTEST, _LONGEST = 0.25, 5.0


async def changes(api: client.Client) -> AsyncGenerator[None, None]:
    """One item at once, one per burst of changes, and one whenever a connection was lost, since changes may have been.

    Raises:
        errors.Waiting: the API stays away.
    """
    async with contextlib.aclosing(_lasting(api, "changes")) as events:
        async for _ in events:
            yield


async def run_events(
    api: client.Client, run_id: str, after: int
) -> AsyncGenerator[sse.Event, None]:
    """The events of a run from behind `after` on, until it has ended. Errors as `changes`."""
    path = f"runs/{run_id}/events"
    async with contextlib.aclosing(_lasting(api, path, str(after), once=True)) as events:
        async for event in events:
            yield event


async def _lasting(
    api: client.Client, path: str, last: str = "", *, once: bool = False
) -> AsyncGenerator[sse.Event, None]:
    """Connection after connection; `once`: until the API ends one by itself."""
    loop = asyncio.get_running_loop()
    good, pause = loop.time(), _SHORTEST
    while True:
        try:
            async with contextlib.aclosing(api.stream(path, last)) as events:
                async for event in events:
                    last = event.id or last
                    good, pause = loop.time(), _SHORTEST
                    yield event
            if once:
                return
        except errors.Waiting as problem:
            if loop.time() - good > _PATIENCE:
                raise
            pause = max(pause, min(problem.retry_after, _LONGEST))
        await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret
        pause = min(pause * 2, _LONGEST)
