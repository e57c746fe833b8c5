"""One operator process, put together: source, cache, mirror, engine, statuses. Runs until it is told to stop."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from workbenchx import errors
from workbenchx.api import identity
from workbenchx.engine import clock, loop
from workbenchx.operator import (
    cache,
    client,
    events,
    finalizing,
    kopf_source,
    kubeconfig,
    mirroring,
    permissions,
    reporting,
    source,
    standing,
)
from workbenchx.planner import model
from workbenchx.store import postgres
from workbenchx.wiring import cluster as wiring
from workbenchx.wiring import health, process, settings

LOG = logging.getLogger(__name__)
_AGAIN_SECONDS = 2.0
_DRAIN_SECONDS = 5.0
_PASSING = frozenset({"DatabaseNotMigrated"})


class Operator:
    """The parts of one process, and how they wake each other."""

    def __init__(
        self, store: postgres.Postgres, api: client.Client, policy: model.Policy, holder: str
    ) -> None:
        self.cache = cache.Cache()
        self.engine = loop.Engine(
            store, clock=clock.SystemClock(), policy=policy, holder=holder, looks=False, told=True
        )
        self.teller = events.Teller(api, holder, clock.SystemClock().now)
        self.reporter = reporting.Reporter(api, self.cache, self._leads, self.teller.tell)
        self.mirror = mirroring.Mirror(
            store, self.cache, lambda: self.engine.epoch, self.engine.touch, self._fixed
        )
        self.finalizers = finalizing.Finalizers(
            store, api, self.cache, self._leads, self.mirror.wake
        )
        self.passes = 0
        self.pass_seconds = 0.0
        self._led: int | None = None

    async def serve(self, changes: source.EventSource) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._take(changes))
            group.create_task(self.mirror.serve())
            group.create_task(self.reporter.serve())
            group.create_task(self.finalizers.serve())
            group.create_task(self.teller.serve())
            group.create_task(self.engine.serve(self._passed))

    async def drained(self) -> None:
        """Return once what is committed is told, as far as it is known."""
        await self.reporter.idle.wait()

    async def _take(self, changes: source.EventSource) -> None:
        async for batch in changes.batches():
            self.cache.take(batch)
            self.mirror.wake()
            self.finalizers.noticed(self.cache.restated | self.cache.dirty)
            self.reporter.restated()

    def _leads(self) -> bool:
        return self.engine.epoch is not None

    def _fixed(self, key: identity.Key) -> bool:
        return self.finalizers.fixed(key)

    def _passed(self, done: loop.Pass) -> None:
        if self.engine.epoch != self._led:
            self._led = self.engine.epoch
            self.mirror.wake()
            self.reporter.lead()
            self.finalizers.noticed(self.cache.entries)
        self.finalizers.passed(done)
        self.reporter.passed(done)
        self.passes += 1
        self.pass_seconds += time.monotonic() - self.engine.turned


async def serve(
    chosen: settings.Settings,
    access: kubeconfig.Access,
    stop: asyncio.Event,
    announce: Callable[[str], None],
) -> None:
    """Serve until `stop` is set, then give leadership back. `announce` gets the URL of the probes.

    Raises:
        errors.Stalled: it may not or cannot run here; the message says what to do.
    """
    wiring.url(chosen)
    stands = standing.Standing()
    probes = health.Health(alive=stands.alive, ready=stands.ready, registry=stands.metrics)
    async with contextlib.AsyncExitStack() as stack:
        announce(
            await stack.enter_async_context(probes.serving(chosen.health_host, chosen.health_port))
        )
        api = client.Client(access)
        stack.push_async_callback(api.close)
        opened = await _opened(stack, chosen, api, stands, stop)
        if opened is None:
            return
        operator = Operator(opened.store, api, opened.policy, process.identity("operator"))
        changes = kopf_source.KopfSource(access, api)
        await stack.enter_async_context(changes)
        stands.begin(operator, changes)
        await _until(stop, operator, changes)


async def _opened(
    stack: contextlib.AsyncExitStack,
    chosen: settings.Settings,
    api: client.Client,
    stands: standing.Standing,
    stop: asyncio.Event,
) -> wiring.Cluster | None:
    """The database, bound to this cluster; None: told to stop while one of them was still away."""
    where = f"/api/v1/namespaces/{permissions.SYSTEM_NAMESPACE}"
    while not stop.is_set():
        try:
            uid = str((await api.get(where))["metadata"]["uid"])
            return await stack.enter_async_context(wiring.open(chosen, cluster_uid=uid))
        except errors.WorkbenchError as problem:
            if not isinstance(problem, errors.Waiting) and problem.reason not in _PASSING:
                raise
            if stands.waits != problem.message:
                LOG.warning("waiting: %s", problem.message)
            stands.waits = problem.message
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _AGAIN_SECONDS)
    return None


async def _until(stop: asyncio.Event, operator: Operator, changes: source.EventSource) -> None:
    """Work until told to stop; then what is committed is still told, for a moment."""
    working = asyncio.create_task(operator.serve(changes))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(operator.drained(), _DRAIN_SECONDS)
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
