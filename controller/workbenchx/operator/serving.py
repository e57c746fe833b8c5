"""One operator process, put together: source, cache, mirror, engine, statuses. Runs until it is told to stop."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

import uvloop

from workbenchx import errors
from workbenchx.api import identity
from workbenchx.engine import clock, loop
from workbenchx.operator import (
    bursts,
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

# Thousands of small requests a minute: asyncio's own share of each is a third of their cost.
new_loop = uvloop.new_event_loop
LOG = logging.getLogger(__name__)
_T = TypeVar("_T")
_AGAIN_SECONDS = 2.0
_DRAIN_SECONDS = 5.0
_PASSING = frozenset({"DatabaseNotMigrated"})


class Intake:
    """Fills the cache with what the source brings, from the start on: the database may still be away."""

    def __init__(self, changes: source.EventSource) -> None:
        self.cache = cache.Cache()
        self.burst = bursts.Bursts()
        self.heard: Callable[[], None] = lambda: None
        self._changes = changes

    async def serve(self) -> None:
        """Take batch after batch, and tell of each. What the first lists bring is no burst: it is there already."""
        async for batch in self._changes.batches():
            before = len(self.cache.dirty)
            self.cache.take(batch)
            if self.cache.tried:
                self.burst.came(len(self.cache.dirty) - before)
            self.heard()


class Operator:
    """The parts of one process, and how they wake each other."""

    def __init__(
        self,
        store: postgres.Postgres,
        api: client.Client,
        intake: Intake,
        policy: model.Policy,
        holder: str,
    ) -> None:
        self.cache, burst = intake.cache, intake.burst
        self.engine = loop.Engine(
            store, clock=clock.SystemClock(), policy=policy, holder=holder, looks=False, told=True
        )
        self.teller = events.Teller(api, holder, clock.SystemClock().now)
        self.reporter = reporting.Reporter(
            api, self.cache, self._leads, self.teller.tell, burst=burst
        )
        self.mirror = mirroring.Mirror(
            store,
            self.cache,
            lambda: self.engine.epoch,
            self.engine.touch,
            self._fixed,
            burst=burst,
        )
        self.finalizers = finalizing.Finalizers(
            store, api, self.cache, self._leads, self.mirror.wake
        )
        self.passes = 0
        self.pass_seconds = 0.0
        self._led: int | None = None

    async def serve(self, intake: Intake) -> None:
        """Work until cancelled."""
        intake.heard = self._heard
        self._heard()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.mirror.serve())
            group.create_task(self.reporter.serve())
            group.create_task(self.finalizers.serve())
            group.create_task(self.teller.serve())
            group.create_task(self.engine.serve(self._passed))

    async def drained(self) -> None:
        """Return once what is committed is told, as far as it is known."""
        await self.reporter.idle.wait()

    def _heard(self) -> None:
        """The cache has something new."""
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
        changes = await stack.enter_async_context(kopf_source.KopfSource(access, api))
        intake = Intake(changes)
        taking = await stack.enter_async_context(_beside(intake.serve()))
        opened = await _opened(stack, chosen, api, stands, stop)
        if opened is None:
            return
        holder = process.identity("operator")
        operator = Operator(opened.store, api, intake, opened.policy, holder)
        stands.begin(operator, changes)
        async with _beside(operator.serve(intake)) as working:
            await _until(stop, operator, taking, working)


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


async def _until(stop: asyncio.Event, operator: Operator, *working: "asyncio.Task[None]") -> None:
    """Work until told to stop, or until something ends that never should; then what is committed is still told, for a moment."""
    async with _beside(stop.wait()) as stopping:
        await asyncio.wait([stopping, *working], return_when=asyncio.FIRST_COMPLETED)
    for task in working:
        if task.done():
            await task
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(operator.drained(), _DRAIN_SECONDS)


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[Any, Any, _T]) -> AsyncIterator["asyncio.Task[_T]"]:
    """Work that goes on inside the block, and has ended after it."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
