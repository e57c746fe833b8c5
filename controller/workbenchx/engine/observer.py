"""Bulk observation: one look per provider, kept as an epoch; and the sweep of what nobody owns.

A look happens every minute (with jitter), at once when a living thing ends, and at start. Where several processes observe,
the minute counts from the last look of any of them.
"""

import asyncio
import contextlib
import dataclasses
import datetime
import logging
import random
from collections.abc import Mapping

from workbenchx import errors, ports
from workbenchx.engine import failpoints, patience
from workbenchx.planner import model

LOG = logging.getLogger(__name__)
EVERY_SECONDS = 60.0
_LATELY = 45.0
_REMOVED = frozenset({"ended", "condemned"})


def overlay(world: model.World, adapter: str, seen: ports.Observation) -> model.World:
    """The world as it is with a look that was not recorded: for a plan while nobody serves."""
    epochs = [epoch for epoch in world.epochs if epoch.provider != adapter]
    objects = [each for each in world.observed if each.provider != adapter]
    health = {
        each.external_id: {"healthy": each.fields["healthy"]}
        for each in world.observed
        if each.provider == adapter and "healthy" in each.fields
    }
    return dataclasses.replace(
        world,
        epochs=(*epochs, model.Epoch(adapter, seen.complete, seen.at)),
        observed=(
            *objects,
            *(_object(adapter, status, health.get(status.name, {})) for status in seen.objects),
        ),
    )


def _object(
    adapter: str, status: ports.SandboxStatus, health: Mapping[str, bool]
) -> model.ObservedObject:
    return model.ObservedObject(
        provider=adapter,
        external_id=status.name,
        uid=status.resource,
        state=status.state,
        fields={**status.fields, **health} if status.state == "running" else status.fields,
        url=status.url,
        exit_code=status.exit_code,
        reason=status.reason,
    )


class Observer:
    """Observes the sandboxes of this process's adapters."""

    def __init__(self, store: ports.Store, sandboxes: Mapping[str, ports.SandboxProvider]) -> None:
        self._store = store
        self._sandboxes = sandboxes
        self._installation: str | None = None
        self._watched: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()

    async def serve(self) -> None:
        """Observe until cancelled."""
        try:
            while True:
                woken = self._wake.is_set()
                self._wake.clear()
                with patience.database_pauses():
                    await (self.observe() if woken else self._observe_what_is_due())
                pause = EVERY_SECONDS * random.uniform(0.9, 1.1)  # noqa: S311 - jitter, not a secret
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
        finally:
            for task in self._watched.values():
                task.cancel()

    async def observe(self) -> None:
        """One look at every provider."""
        await self._observe(self._sandboxes)

    async def _observe_what_is_due(self) -> None:
        """One look at every provider that nobody looked at lately."""
        lately = await self._store.looked_at()
        now = datetime.datetime.now(datetime.UTC)
        due = {
            adapter: provider
            for adapter, provider in self._sandboxes.items()
            if adapter not in lately or not 0 <= (now - lately[adapter]).total_seconds() < _LATELY
        }
        await self._observe(due)

    async def _observe(self, sandboxes: Mapping[str, ports.SandboxProvider]) -> None:
        failpoints.reach("observe.before")
        for adapter, provider in sandboxes.items():
            try:
                seen = await provider.observe()
            except errors.WorkbenchError as problem:
                LOG.warning("observe: %s: %s", adapter, problem.message)
                continue
            await self._store.record_observation(adapter, seen)
            try:
                await self._sweep(adapter, provider, seen)
            except errors.WorkbenchError as problem:
                LOG.warning("sweep: %s: %s", adapter, problem.message)
            self._watch(provider, seen)
        failpoints.reach("observe.after")

    async def _sweep(
        self, adapter: str, provider: ports.SandboxProvider, seen: ports.Observation
    ) -> None:
        """Remove what belongs to a run that has ended; quarantine what no row explains; leave alone what is another's."""
        if not seen.complete:
            return
        ours = [each for each in seen.objects if await self._is_ours(each)]
        standing = await self._store.standing(adapter, [each.name for each in ours])
        unknown = [each for each in ours if each.name not in standing]
        for each in unknown:
            LOG.warning("sweep: %s at %s has our tag and no ledger row", each.name, adapter)
        await self._store.quarantine(adapter, unknown)
        gone = []
        try:
            for name, verdict in standing.items():
                if verdict in _REMOVED:
                    LOG.info("sweep: %s at %s is removed: %s", name, adapter, verdict)
                    await provider.delete(name)
                    gone.append(name)
        finally:
            if gone:
                await self._store.record_objects(adapter, gone, state="gone")

    async def _is_ours(self, status: ports.SandboxStatus) -> bool:
        """Adapters list what has our tag; what says that it is another installation's is not touched, whoever listed it."""
        if self._installation is None:
            self._installation = (await self._store.installation()).id
        return status.tags.get(ports.INSTALLATION_TAG, self._installation) == self._installation

    def _watch(self, provider: ports.SandboxProvider, seen: ports.Observation) -> None:
        """Look again as soon as something that runs has ended."""
        for status in seen.objects:
            if status.state == "running" and status.name not in self._watched:
                self._watched[status.name] = asyncio.create_task(self._ended(provider, status.name))

    async def _ended(self, provider: ports.SandboxProvider, name: str) -> None:
        with contextlib.suppress(errors.WorkbenchError):
            await provider.wait(name)
        self._watched.pop(name, None)
        self._wake.set()
