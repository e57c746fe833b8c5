"""One operator process, put together: source, cache, mirror, engine, statuses. Runs until it is told to stop."""

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from workbenchx import errors
from workbenchx.api import identity, registry
from workbenchx.engine import clock, loop
from workbenchx.operator import (
    cache,
    client,
    kopf_source,
    kubeconfig,
    mirroring,
    permissions,
    reporting,
    source,
)
from workbenchx.planner import model
from workbenchx.store import postgres
from workbenchx.wiring import cluster as wiring
from workbenchx.wiring import process, settings

LOG = logging.getLogger(__name__)
_AGAIN_SECONDS = 2.0


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What the command line chose. `namespaces` empty: all."""

    access: kubeconfig.Access
    namespaces: Sequence[str] = ()


class Operator:
    """The parts of one process, and how they wake each other."""

    def __init__(
        self, store: postgres.Postgres, api: client.Client, policy: model.Policy, holder: str
    ) -> None:
        self.cache = cache.Cache()
        self.engine = loop.Engine(
            store, clock=clock.SystemClock(), policy=policy, holder=holder, looks=False
        )
        self.reporter = reporting.Reporter(api, self.cache, lambda: self.engine.epoch is not None)
        self.mirror = mirroring.Mirror(
            store, self.cache, lambda: self.engine.epoch, self.engine.wake, self._declarable
        )
        self._led: int | None = None

    async def serve(self, events: source.EventSource) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._take(events))
            group.create_task(self.mirror.serve())
            group.create_task(self.reporter.serve())
            group.create_task(self.engine.serve(self._passed))

    async def _take(self, events: source.EventSource) -> None:
        async for batch in events.batches():
            self.cache.take(batch)
            self.mirror.wake()
            self.reporter.restated()

    def _passed(self, done: loop.Pass) -> None:
        if self.engine.epoch != self._led:
            self._led = self.engine.epoch
            self.mirror.wake()
            self.reporter.lead()
        self.reporter.passed(done)

    def _declarable(self, key: identity.Key) -> bool:
        """Of what has something at a provider no intent is made yet."""
        return registry.KINDS[key.kind].row_only


async def serve(
    chosen: settings.Settings,
    options: Options,
    stop: asyncio.Event,
    announce: Callable[[str], None],
) -> None:
    """Serve until `stop` is set, then give leadership back.

    Raises:
        errors.Stalled: it may not or cannot run here; the message says what to do.
    """
    wiring.url(chosen)
    async with contextlib.AsyncExitStack() as stack:
        api = client.Client(options.access)
        stack.push_async_callback(api.close)
        opened = await _opened(stack, chosen, api, stop)
        if opened is None:
            return
        operator = Operator(opened.store, api, opened.policy, process.identity("operator"))
        events = kopf_source.KopfSource(options.access, api, options.namespaces)
        await stack.enter_async_context(events)
        announce(options.access.server)
        await _until(stop, operator.serve(events))


async def _opened(
    stack: contextlib.AsyncExitStack,
    chosen: settings.Settings,
    api: client.Client,
    stop: asyncio.Event,
) -> wiring.Cluster | None:
    """The database, bound to this cluster; None: told to stop while one of them was still away."""
    where = f"/api/v1/namespaces/{permissions.SYSTEM_NAMESPACE}"
    while not stop.is_set():
        try:
            uid = str((await api.get(where))["metadata"]["uid"])
            return await stack.enter_async_context(wiring.open(chosen, cluster_uid=uid))
        except errors.Waiting as problem:
            LOG.warning("waiting: %s", problem.message)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _AGAIN_SECONDS)
    return None


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
