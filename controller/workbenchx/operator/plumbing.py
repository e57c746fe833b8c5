"""What is said to kopf: settings that keep it from writing, from remembering and from giving up, and one handler a kind.

The only module that imports kopf; the thread that runs it does so, beside all else that a start has to do.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import Any

import aiohttp
import kopf
from kopf._core.reactor import inventory

from workbenchx.api import registry


class _Backoffs:
    """Pauses between tries that never end: a server that is away is waited for. Read anew for each request."""

    def __iter__(self) -> Iterator[float]:
        yield from (0.2, 0.5, 1.0, 2.0)
        while True:
            yield 5.0


class _NoDiffs(kopf.DiffBaseStorage):
    """Nobody asks what changed, so nothing is remembered for comparing: this halves what an event costs."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


class Forgetful(inventory.ResourceMemories):
    """What kopf would keep of every object for handlers that we do not have: about a kilobyte each."""

    async def recall(self, raw_body: Any, **asked: Any) -> inventory.ResourceMemory:
        """A new one, each time."""
        return await super().recall(raw_body, **(asked | {"ephemeral": True}))


def settings() -> kopf.OperatorSettings:
    """kopf's settings, each for a reason measured in reference/kopf.md."""
    chosen = kopf.OperatorSettings()
    chosen.peering.standalone = True
    chosen.scanning.disabled = True
    chosen.posting.enabled = False
    chosen.process.ultimate_exiting_timeout = None
    chosen.queueing.worker_limit = None
    chosen.queueing.idle_timeout = 0.02
    chosen.queueing.exit_timeout = 0.5
    chosen.watching.chunk_size = 200
    chosen.watching.inactivity_timeout = 70
    chosen.watching.server_timeout = 600
    chosen.watching.reconnect_backoff = 0.2
    chosen.networking.request_timeout = 30
    chosen.networking.connect_timeout = 10
    chosen.networking.error_backoffs = _Backoffs()
    chosen.persistence.finalizer = "unused.workbenchx.dev/kopf"
    chosen.persistence.diffbase_storage = _NoDiffs()
    chosen.persistence.consistency_timeout = 0
    chosen.execution.max_workers = 1
    return chosen


async def tasks(
    happened: Callable[..., Awaitable[None]],
    server: str,
    login: Callable[[], aiohttp.ClientSession],
) -> Collection["asyncio.Task[Any]"]:
    """kopf's tasks, begun: none of them ever should end. `happened` hears each event, `login` makes a session for the server."""

    async def signed(**_: Any) -> kopf.AiohttpSession:
        return kopf.AiohttpSession(server=server, aiohttp_session=login())

    handlers = kopf.OperatorRegistry()
    kopf.on.login(registry=handlers)(signed)
    for kind in registry.KINDS.values():
        kopf.on.event(registry.GROUP, registry.VERSION, kind.plural, registry=handlers)(happened)
    return await kopf.spawn_tasks(
        registry=handlers,
        settings=settings(),
        memories=Forgetful(),
        standalone=True,
        clusterwide=True,
    )
