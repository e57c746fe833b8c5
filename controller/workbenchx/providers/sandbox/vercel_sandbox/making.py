"""Making a sandbox: the microVM, our tools in it, its files. Each step can be done again by whoever comes next."""

import asyncio
import contextlib

from vercel import sandbox as sdk

from workbenchx import errors, ports
from workbenchx.providers.sandbox import specs, turns
from workbenchx.providers.sandbox.vercel_sandbox import (
    client,
    faults,
    hand,
    names,
    orders,
    settings,
    statuses,
)


class Maker:
    """Makes the sandboxes of one installation."""

    def __init__(
        self,
        vendor: client.Client,
        inside: hand.Hand,
        storage: ports.StorageProvider,
        installation: str,
        chosen: settings.Settings,
    ) -> None:
        self._vendor = vendor
        self._hand = inside
        self._storage = storage
        self._installation = installation
        self._chosen = chosen
        self._turns = turns.Turns()

    async def make(self, spec: ports.SandboxSpec) -> ports.SandboxStatus:
        """The sandbox, staged; at most one maker of this process at a time for a name.

        Raises:
            errors.Conflict: the name means another order.
            errors.Waiting: it is not there yet.
            errors.Stalled: it can never be; nothing of it is left.
        """
        async with self._turns.of(spec.name):
            try:
                return await self._make(spec)
            except errors.Stalled:
                await self._undo(spec.name)
                raise
            except faults.GoneError as problem:
                raise faults.waiting(
                    f'sandbox "{spec.name}" went while it was made ({problem})'
                ) from problem

    async def _make(self, spec: ports.SandboxSpec) -> ports.SandboxStatus:
        found = await self._vendor.get(spec.name)
        box = found or await self._new(spec)
        tags = box.tags or {}
        if tags.get(names.ORDER) != specs.digest(spec)[:32] or not self.owns(box):
            raise errors.Conflict(
                f'sandbox name is taken by another order: "{spec.name}"', reason="NameTaken"
            )
        box = await self._vendor.ready(box)
        session = box.current_session
        if client.state(box) is not client.READY or session is None:
            return statuses.of(box, None)
        order = specs.order(spec, grace=self._chosen.grace, disk=self._chosen.disk)
        order |= {"deadline": orders.end(spec, self._chosen), "asked": orders.asked(spec)}
        known = await self._known(session) if found else None
        if known is None or statuses.making(known):
            known = await self._hand.stage(session, order, spec, self._storage)
        return statuses.of(box, known)

    async def _known(self, session: sdk.SandboxRuntimeSession) -> hand.Json | None:
        """What lies in its place already; None where our tools are not there yet, or do not answer."""
        try:
            return await self._hand.ask(session, "peek")
        except errors.WorkbenchError:
            return None

    async def _new(self, spec: ports.SandboxSpec) -> sdk.Sandbox:
        """Asked for once; where somebody was faster, theirs."""
        try:
            return await self._vendor.create(
                **orders.creation(spec, self._installation, self._chosen)
            )
        except errors.Conflict as problem:
            found = await self._vendor.get(spec.name)
            if found is not None:
                return found
            cause = problem.__cause__
            raise cause if isinstance(cause, errors.WorkbenchError) else problem from problem

    def owns(self, box: sdk.Sandbox) -> bool:
        """Whether it is of this installation."""
        return (box.tags or {}).get(names.INSTALLATION) == self._installation

    async def _undo(self, name: str) -> None:
        """Nothing is left of what can never be. Where the vendor does not answer, the sweep finds it."""
        with contextlib.suppress(errors.WorkbenchError, faults.GoneError, TimeoutError):
            async with asyncio.timeout(self._chosen.patience):
                box = await self._vendor.get(name)
                if box is None or not self.owns(box):
                    return
                session = box.current_session if client.state(box) is client.READY else None
                known = await self._known(session) if session else None
                if known is None or statuses.making(known):
                    await self._vendor.destroy(name)
