"""One worker process of a cluster: waits for its database and its adapters, works, and picks anew when they change.

Whatever cannot be had yet is waited for, and said by `/readyz`: a cluster starts everything at once.
"""

import asyncio
import contextlib
import dataclasses
import functools
import logging
import os
import pathlib
import tempfile
import time
from collections.abc import AsyncIterator, Callable

import prometheus_client as prometheus
from prometheus_client import core, registry

from workbenchx import errors, ports
from workbenchx.engine import (
    coding,
    context,
    governor,
    housekeeping,
    observer,
    patience,
    prober,
    secrets,
    worker,
)
from workbenchx.forge import fetching
from workbenchx.providers import probe
from workbenchx.providers.secrets import kubernetes as cluster_secrets
from workbenchx.wiring import (
    adapters,
    cluster,
    health,
    process,
    settings,
    sourcing,
    storing,
)

LOG = logging.getLogger(__name__)
AGAIN_SECONDS = 2.0
LOOK_SECONDS = 30.0
STALE_SECONDS = 90.0
_ROLES = frozenset({"SandboxProvider", "StorageProvider"})
_PASSING = frozenset({"DatabaseNotMigrated", "InvalidSpec", "ProviderMissing", "SecretMissing"})


@dataclasses.dataclass(slots=True)
class Standing:
    """How this process stands, for its probes. `waits`: what it waits for; `meters`: of the worker, while it works."""

    slots: int
    waits: str | None = "it starts"
    meters: worker.Meters | None = None
    before: worker.Meters = dataclasses.field(default_factory=lambda: worker.Meters(0))

    def alive(self) -> str | None:
        """A worker that does not turn round is beyond help; one that waits is not."""
        if self.meters and time.monotonic() - self.meters.turned > STALE_SECONDS:
            return "the worker has not looked at its queue for too long"
        return None

    def ready(self) -> str | None:
        """It has a database that answers, and adapters."""
        if self.waits is not None:
            return self.waits
        reached = self.meters.reached if self.meters else None
        if reached is None or time.monotonic() - reached > LOOK_SECONDS:
            return "the database does not answer"
        return None

    def begin(self, meters: worker.Meters) -> None:
        """A worker begins; counts go on where the last one ended."""
        meters.performed, meters.left = self.before.performed, self.before.left
        self.meters, self.before, self.waits = meters, meters, None

    def collect(self) -> list[core.Metric]:
        """For Prometheus."""
        now = self.before
        return [
            core.GaugeMetricFamily("wbx_worker_slots", "Runs it may hold.", self.slots),
            core.GaugeMetricFamily("wbx_worker_runs_held", "Runs it holds.", now.held),
            core.CounterMetricFamily(
                "wbx_worker_runs_performed", "Runs it performed, however they ended.", now.performed
            ),
            core.CounterMetricFamily(
                "wbx_worker_runs_left", "Runs it left to the next holder.", now.left
            ),
            core.GaugeMetricFamily("wbx_ready", "Whether it can work.", int(self.ready() is None)),
        ]


class _Collector(registry.Collector):
    def __init__(self, standing: Standing) -> None:
        self._standing = standing

    def collect(self) -> list[core.Metric]:
        return self._standing.collect()


async def serve(
    chosen: settings.Settings,
    *,
    announce: Callable[[str], None],
    pick: adapters.Pick | None = None,
    api: ports.Cluster | None = None,
) -> None:
    """Work until cancelled; then give back what is held (programs live on where they run).

    `api`: the cluster that Sources are applied to; None: this worker follows none.

    Raises:
        errors.Stalled: it can never work so; the message says what to do.
    """
    standing = Standing(chosen.concurrency)
    meters = prometheus.CollectorRegistry()
    meters.register(_Collector(standing))
    prometheus.ProcessCollector(registry=meters)
    answers = health.Health(alive=standing.alive, ready=standing.ready, registry=meters)
    async with answers.serving(chosen.health_host, chosen.health_port) as where:
        announce(where)
        while True:
            async with _passing(standing), cluster.open(chosen) as joined:
                await _work(joined, pick, standing, api)


@contextlib.asynccontextmanager
async def _passing(standing: Standing) -> AsyncIterator[None]:
    """What passes by itself, or once somebody has done their part, is waited for; told once for each cause."""
    try:
        yield
    except errors.Waiting as problem:
        told, pause = problem.message, max(AGAIN_SECONDS, problem.retry_after)
    except errors.Stalled as problem:
        if problem.reason not in _PASSING:
            raise
        told, pause = problem.message, AGAIN_SECONDS
    else:
        return
    if standing.waits != told:
        LOG.warning("waiting: %s", told)
    standing.waits, standing.meters = told, None
    await asyncio.sleep(pause)


async def _work(
    joined: cluster.Cluster,
    pick: adapters.Pick | None,
    standing: Standing,
    api: ports.Cluster | None,
) -> None:
    """Work with what is wanted now, until something else is."""
    pick = pick or functools.partial(adapters.pick, where=joined.store.storages_with)
    await process.bury_the_dead(joined.store)
    while True:
        wanted = await _wanted(joined)
        async with contextlib.AsyncExitStack() as stack:
            picked = pick(wanted, joined.installation, stack)
            for problem in picked.problems:
                LOG.warning("%s", problem)
            await _until_changed(joined, picked, wanted, standing, api=api, stack=stack)
        LOG.info("the provider objects changed: adapters are picked anew")


async def _until_changed(
    joined: cluster.Cluster,
    picked: adapters.Picked,
    wanted: adapters.Wanted,
    standing: Standing,
    *,
    api: ports.Cluster | None,
    stack: contextlib.AsyncExitStack,
) -> None:
    sandboxes = governor.governed(picked.sandboxes, governor.Governor(joined.store))
    copies = stack.enter_context(tempfile.TemporaryDirectory(prefix="wbx-git-"))
    kept = cluster_secrets.Secrets()
    stack.push_async_callback(kept.aclose)

    async def learn(adapter: str) -> None:
        """What was declared a moment ago is picked in the next one; runs that need it may be here before it."""
        if await _wanted(joined) != wanted:
            message = f'provider: the sandbox adapter "{adapter}" is not picked yet'
            raise errors.Waiting(
                message, reason="SandboxUnavailable", retry_after=AGAIN_SECONDS + 1.0
            )

    surroundings = context.Context(
        store=joined.store,
        storage=picked.storage,
        sandboxes=sandboxes,
        installation=joined.installation,
        clock=joined.clock,
        places=secrets.Places(os.environ.get, kept),
        probe=probe.answers,
        storages=storing.Choices(joined.store, picked.places) if picked.places else None,
        learn=learn,
    )
    made = worker.Worker(
        surroundings, name=process.identity("worker"), slots=joined.settings.concurrency
    )
    coder = coding.Coder(
        joined.store,
        fetching.Fetcher(pathlib.Path(copies)),
        picked.storage,
        own=joined.settings.repository,
    )
    house = housekeeping.House(joined.store, picked.storage, joined.installation.id, joined.clock)
    standing.begin(made.meters)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(made.serve()),
            group.create_task(observer.Observer(joined.store, sandboxes).serve()),
            group.create_task(coder.serve(joined.store.changes)),
            group.create_task(prober.Prober(joined.store, probe.answers).serve()),
            group.create_task(
                housekeeping.Housekeeper(house, name=process.identity("house")).serve()
            ),
        ]
        if api is not None:
            given = (joined, picked.storage, api, pathlib.Path(copies), surroundings.places)
            tasks += [group.create_task(each) for each in sourcing.parts(*given)]
        await _changed(joined, wanted)
        for task in tasks:
            task.cancel()


async def _changed(joined: cluster.Cluster, wanted: adapters.Wanted) -> None:
    """Return once other adapters are wanted."""
    wake = asyncio.Event()

    async def listen() -> None:
        async for _ in patience.surviving(joined.store.changes):
            wake.set()

    listening = asyncio.create_task(listen())
    try:
        while True:
            with patience.database_pauses():
                if await _wanted(joined) != wanted:
                    return
            wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await wake.wait()
                    await asyncio.sleep(AGAIN_SECONDS)  # changes come in bursts; this one can wait
    finally:
        listening.cancel()


async def _wanted(joined: cluster.Cluster) -> adapters.Wanted:
    """What decides the adapters: nothing else of what is recorded makes a worker begin anew."""
    chosen = joined.settings
    options = tuple(each for each in await joined.store.options() if _counts(each, chosen.stand_in))
    return adapters.Wanted(
        options,
        chosen.stand_in,
        chosen.stand_in_storage,
        chosen.stand_in_namespace,
        desk=joined.store,
    )


def _counts(option: ports.Option, stand_in: str | None) -> bool:
    return option.kind in _ROLES and stand_in in {None, option.adapter}
