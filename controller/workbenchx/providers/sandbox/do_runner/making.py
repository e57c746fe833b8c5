"""Bringing a machine into being for one order: looked for before it is asked for, asked for once at a time."""

import asyncio
import datetime
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from workbenchx import errors, ports
from workbenchx.providers.sandbox.do_runner import (
    bell,
    droplets,
    kit,
    names,
    orders,
    sealing,
    settings,
    statuses,
    userdata,
)
from workbenchx.providers.sandbox.do_runner.agent import registry

_LOOK_SECONDS = 5.0
_NO_DEADLINE = datetime.timedelta(days=30)


class Maker:
    """Makes machines."""

    def __init__(
        self,
        desk: ports.Desk,
        api: droplets.Droplets,
        storage: ports.StorageProvider,
        *,
        installation: str,
        chosen: settings.Settings,
        ring: bell.Bell,
        credential: Callable[[str], str],
    ) -> None:
        self._desk = desk
        self._api = api
        self._storage = storage
        self._installation = installation
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
            f'do_runner: droplet "{spec.name}" starts: its runner does not answer yet',
            reason="SandboxUnavailable",
            retry_after=_LOOK_SECONDS,
        )

    async def _stands(self, row: ports.Runner) -> bool:
        """Whether what was staged is still there; what ended, or was started, counts whatever became of its machine."""
        if row.state != "staged" or row.start_at is not None:
            return True
        droplet = await self._api.get(int(row.external_id)) if row.external_id else None
        if row.external_id is None:  # of a create in doubt, and quicker than whoever binds it
            droplet = next(filter(_of(row), await self._api.named(row.name)), None)
        if droplet is not None and not statuses.is_off(droplet):
            await self._desk.bind_runner(row.name, str(droplet["id"]))
            return True
        await self._desk.try_runner(row.name, self._nobody(row), lag=self._chosen.list_lag)
        await self._desk.bind_runner(row.name, None)
        return False

    def _nobody(self, row: ports.Runner) -> ports.Try:
        """A try that no machine has the token of: what was staged before counts no more."""
        return ports.Try(secrets.token_urlsafe(32), row.now, row.work)

    async def _done(self, row: ports.Runner) -> ports.SandboxStatus:
        """What stands; of what could not be prepared nothing is left, and the reason is told."""
        found = statuses.of(row)
        if found.state == "failed" and row.start_at is None:
            for each in await self._api.named(row.name):
                await self._api.destroy(int(each["id"]))
            await self._desk.remove_runner(row.name)
            raise errors.Stalled(found.message, reason=found.reason)
        return found

    async def _push(self, spec: ports.SandboxSpec, row: ports.Runner) -> None:
        """One step towards a machine that answers."""
        mine = None
        for each in await self._api.named(spec.name):
            if _of(row)(each) and not statuses.is_off(each) and mine is None:
                mine = each
            else:
                # A twin, or one of an earlier try: its token does not count.
                await self._api.destroy(int(each["id"]))
        if mine is not None:
            if row.external_id is None:
                await self._desk.bind_runner(spec.name, str(mine["id"]))
        elif row.external_id is not None and await self._api.get(int(row.external_id)) is None:
            await self._desk.bind_runner(spec.name, None)
        elif row.external_id is None:
            await self._try(spec, row)

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
        body = await asyncio.to_thread(self._body, spec, now, asking)
        try:
            droplet = await self._asked(body)
        except errors.WorkbenchError as problem:
            if droplets.surely_not(problem):
                await self._desk.bind_runner(spec.name, None)
                if isinstance(problem, errors.Stalled):
                    await self._desk.remove_runner(spec.name)
            raise
        await self._desk.bind_runner(spec.name, str(droplet["id"]))

    async def _asked(self, body: dict[str, Any]) -> dict[str, Any]:
        """In the first region that has room for it: where there is none, nothing was made."""
        *others, last = self._chosen.regions
        for region in others:
            try:
                return await self._api.create(body | {"region": region})
            except errors.Waiting as problem:
                if problem.reason != "SandboxUnavailable":
                    raise
        return await self._api.create(body | {"region": last})

    async def _forget(self, row: ports.Runner) -> None:
        """An order that cannot be, and that no machine was asked for."""
        if row.try_at is None:
            await self._desk.remove_runner(row.name)

    def _body(
        self, spec: ports.SandboxSpec, row: ports.Runner, asking: ports.Try
    ) -> dict[str, Any]:
        chosen = self._chosen
        told = userdata.Told(
            name=spec.name,
            api=chosen.api_url,
            token=asking.token,
            until=asking.until.timestamp(),
            patience=chosen.preparing,
            parts=kit.parts(),
            pace=chosen.pace,
        )
        body: dict[str, Any] = {
            "name": spec.name,
            "size": chosen.size(spec),
            "image": chosen.gpu_image if spec.gpu else chosen.image,
            "tags": names.tags(self._installation, row.attempt, spec.tags),
            "user_data": userdata.script(told, row.now.timestamp()),
            "ssh_keys": list(chosen.ssh_keys),
            "monitoring": False,
            "backups": False,
            "with_droplet_agent": False,
        }
        return body | ({"vpc_uuid": chosen.vpc_uuid} if chosen.vpc_uuid else {})


def _of(row: ports.Runner) -> Callable[[Mapping[str, Any]], bool]:
    """Whether a droplet is of the try that counts."""
    return lambda each: names.read(each.get("tags", ())).get(names.TRY) == row.attempt
