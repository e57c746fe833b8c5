"""Bringing a machine into being for one order: looked for before it is asked for, asked for once at a time."""

import asyncio
import datetime
import secrets
import time
from collections.abc import Callable

from workbenchx import errors, ports
from workbenchx.providers.sandbox.do_runner import (
    account,
    bell,
    fleet,
    kit,
    machines,
    names,
    orders,
    sealing,
    settings,
    statuses,
    userdata,
)
from workbenchx.providers.sandbox.do_runner.agent import registry

_LOOK_SECONDS = 5.0
_FAILED_AGAIN = 60.0
_NO_DEADLINE = datetime.timedelta(days=30)


class Maker:
    """Makes machines."""

    def __init__(
        self,
        desk: ports.Desk,
        api: fleet.Fleet,
        storage: ports.StorageProvider,
        *,
        chosen: settings.Settings,
        ring: bell.Bell,
        credential: Callable[[str], str],
    ) -> None:
        self._desk = desk
        self._api = api
        self._storage = storage
        self._chosen = chosen
        self._bell = ring
        self._credential = credential

    async def make(self, spec: ports.SandboxSpec) -> ports.SandboxStatus:
        """The sandbox with its files in place.

        Raises:
            errors.Conflict: reason NameTaken.
            errors.Stalled: it never can be.
            errors.Waiting: it is under way; asked again, it goes on.
        """
        self._chosen.size(spec)
        digest = orders.digest(spec)
        row = await self._desk.open_runner(
            spec.name, spec.tags, digest, orders.work(spec), spec.deadline
        )
        if row.order_hash != digest:
            raise errors.Conflict(
                f'sandbox name is taken by another order: "{spec.name}"', reason="NameTaken"
            )
        end = time.monotonic() + self._chosen.patience
        found: ports.Runner | None = row
        while found is not None:
            if found.state in {"staged", "running", "ended"}:
                if await self._stands(found):
                    return await self._done(found)
            else:
                await self._push(spec, found)
                await self._sign_in(spec, found)
            if time.monotonic() > end:
                break
            await self._bell.wait(min(_LOOK_SECONDS, self._chosen.patience))
            found = await self._desk.runner(spec.name)
        raise errors.Waiting(
            f'do_runner: machine "{spec.name}" starts: its runner does not answer yet',
            reason="SandboxUnavailable",
            retry_after=_LOOK_SECONDS,
        )

    async def _stands(self, row: ports.Runner) -> bool:
        """Whether what was staged is still there; what ended, or was started, counts whatever became of its machine."""
        if row.state != "staged" or row.start_at is not None:
            return True
        if row.external_id is None and await self._bind(row):
            return True
        machine = await self._api.get(row.external_id) if row.external_id else None
        if machine is not None and machine.state != "off":
            return True
        begun = await self._desk.try_runner(row.name, self._nobody(row), lag=self._chosen.list_lag)
        if begun or row.external_id:
            await self._desk.bind_runner(row.name, None)
        return False

    async def _bind(self, row: ports.Runner) -> bool:
        """Whether there is the machine of the try that counts, which was quicker than the answer to its create."""
        for each in await self._api.named(row.name):
            if each.tags.get(names.TRY) == row.attempt and each.state != "off":
                await self._desk.bind_runner(row.name, each.id)
                return True
        return False

    def _nobody(self, row: ports.Runner) -> ports.Try:
        """A try that no machine has the token of: what was staged before counts no more."""
        return ports.Try(secrets.token_urlsafe(32), row.now, row.work)

    async def _done(self, row: ports.Runner) -> ports.SandboxStatus:
        """What stands; of what could not be prepared nothing is left, and the reason is told."""
        found = statuses.of(row)
        if found.state == "failed" and row.start_at is None:
            for each in await self._api.named(row.name):
                await self._api.destroy(each.id)
            await self._desk.remove_runner(row.name)
            raise errors.Stalled(found.message, reason=found.reason)
        return found

    async def _push(self, spec: ports.SandboxSpec, row: ports.Runner) -> None:
        """One step towards a machine that answers."""
        mine = None
        for each in await self._api.named(spec.name):
            if each.tags.get(names.TRY) == row.attempt and each.state != "off" and mine is None:
                mine = each
            else:
                # A twin, or one of an earlier try: its token does not count.
                await self._api.destroy(each.id)
                self._tell(each)
        if mine is not None:
            if mine.state == "paused":
                await self._api.wake(mine.id)
            if row.external_id is None:
                await self._desk.bind_runner(spec.name, mine.id)
        elif row.external_id is not None and await self._api.get(row.external_id) is None:
            await self._desk.bind_runner(spec.name, None)
        elif row.external_id is None:
            await self._try(spec, row)

    def _tell(self, machine: machines.Machine) -> None:
        """Another one would fail as this one did, or there is room later."""
        if machine.why:
            raise errors.Waiting(
                f'do_runner: machine "{machine.name}" is {machine.said}: {machine.why}',
                reason="SandboxUnavailable",
                retry_after=_FAILED_AGAIN,
            )

    def _registry(self, spec: ports.SandboxSpec) -> settings.Registry | None:
        return self._chosen.registry(registry.read(spec.image).registry)

    async def _sign_in(self, spec: ports.SandboxSpec, row: ports.Runner) -> None:
        """Seal the sign-in to the registry for the machine that claimed the run; nobody else can read it."""
        known = self._registry(spec)
        if known is None or row.state != "claimed" or row.pulls or row.certificate is None:
            return
        told = {"username": known.username, "password": self._credential(known.password)}
        sealed = await asyncio.to_thread(sealing.seal, told, row.certificate)
        await self._desk.sign_in_runner(spec.name, row.certificate, sealed)

    async def _try(self, spec: ports.SandboxSpec, row: ports.Runner) -> None:
        """Ask for a machine, unless somebody did a moment ago: that one may not be listed yet."""
        known = self._registry(spec)
        try:
            if known is not None:
                self._credential(known.password)  # before a machine costs
            work = await orders.linked(
                self._storage, spec, self._chosen.api_url, signs_in=known is not None
            )
        except errors.Stalled:
            await self._forget(row)
            raise
        end = (spec.deadline or row.now + _NO_DEADLINE) + datetime.timedelta(
            seconds=self._chosen.grace
        )
        asking = ports.Try(f"wbxr_{secrets.token_urlsafe(32)}", end, work)
        if not await self._desk.try_runner(spec.name, asking, lag=self._chosen.list_lag):
            return
        now = await self._desk.runner(spec.name)
        if now is None:
            return
        ordered = await asyncio.to_thread(self._ordered, spec, now, asking)
        try:
            machine = await self._api.create(ordered)
        except errors.WorkbenchError as problem:
            if account.surely_not(problem):
                await self._desk.bind_runner(spec.name, None)
                if isinstance(problem, errors.Stalled):
                    await self._desk.remove_runner(spec.name)
            raise
        await self._desk.bind_runner(spec.name, machine.id)

    async def _forget(self, row: ports.Runner) -> None:
        """An order that cannot be, and that no machine was asked for."""
        if row.try_at is None:
            await self._desk.remove_runner(row.name)

    def _ordered(
        self, spec: ports.SandboxSpec, row: ports.Runner, asking: ports.Try
    ) -> machines.Ordered:
        told = userdata.Told(
            name=spec.name,
            api=self._chosen.api_url,
            token=asking.token,
            until=asking.until.timestamp(),
            patience=self._chosen.preparing,
            parts=kit.parts(),
            pace=self._chosen.pace,
        )
        return machines.Ordered(spec, row.attempt, told, row.now.timestamp())
