"""`DropletSandbox`: the adapter of `ports.SandboxProvider` for DigitalOcean's droplets and microVMs.

A sandbox is a machine with our runner on it, and a row at the desk, through which the two sides talk (decision 111). What
ended is read from the desk and from storage, so its machine is destroyed at once.
"""

import asyncio
import base64
import contextlib
import datetime
import decimal
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from workbenchx import errors, ports
from workbenchx.providers.sandbox import executing, specs
from workbenchx.providers.sandbox.do_runner import (
    bell,
    checking,
    fleet,
    machines,
    making,
    orders,
    sealing,
    settings,
    statuses,
    waking,
)
from workbenchx.providers.sandbox.do_runner.agent import proving

_LOOK_SECONDS = 2.0
_CHECK_SECONDS = 15.0
_GONE_SECONDS = 120.0
_STOP_SECONDS = 120.0
_ANSWER_SECONDS = 120.0
_FILES_SECONDS = 3600.0
_REQUESTS = ".wbx-request"


class DropletSandbox:
    """Machines of one account. Several processes may share it; `aclose` gives up nothing that runs."""

    adapter = "do_runner"

    def __init__(
        self,
        desk: ports.Desk,
        api: fleet.Fleet,
        storage: ports.StorageProvider,
        chosen: settings.Settings,
        *,
        credential: Callable[[str], str],
    ) -> None:
        self.capabilities = ports.Capabilities(
            isolates=True,
            list_lag=chosen.list_lag,
            snapshots=True,
            executes=True,
            gpu=chosen.shape == machines.DROPLET,
            restarts=True,
        )
        self._desk = desk
        self._api = api
        self._storage = storage
        self._chosen = chosen
        self._bell = bell.Bell(desk.runner_changes)
        self._maker = making.Maker(
            desk,
            api,
            storage,
            chosen=chosen,
            ring=self._bell,
            credential=credential,
        )
        self._checked: dict[str, float] = {}
        self._waking = waking.Waking(api, chosen)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._bell.close()
        await self._api.close()

    def price(self, spec: ports.SandboxSpec) -> decimal.Decimal:
        """See ports.SandboxProvider.price. That of the provider object, for the machine that would be asked for."""
        return self._chosen.price(self._chosen.size(spec))

    async def observe(self) -> ports.Observation:
        """See ports.SandboxProvider.observe. The rows of the desk, and the droplets that no row knows."""
        at = datetime.datetime.now(datetime.UTC)
        there, complete = await self._api.all()
        rows = await self._desk.runners()
        known = {row.name for row in rows}
        alive = {each.name: each for each in there}
        seen = [
            statuses.of(row, alive.get(row.name))
            for row in rows
            if row.name in alive or row.state in {"running", "ended"}
        ]
        seen += [statuses.orphan(each) for each in there if each.name not in known]
        return ports.Observation(complete=complete, at=at, objects=tuple(seen))

    async def create(self, spec: ports.SandboxSpec) -> ports.SandboxStatus:
        """See ports.SandboxProvider.create. Waiting while there is no room for it, or its machine boots."""
        specs.check(spec, specs.LABEL, specs.LABEL_SPELLED)
        orders.check(spec)
        return await self._maker.make(spec)

    async def start(self, name: str, env: Mapping[str, str]) -> ports.SandboxStatus:
        """See ports.SandboxProvider.start. `env` is sealed for the machine."""
        row = await self._known(name)
        if row.state == "staged" and row.start_at is None and row.certificate:
            sealed = await asyncio.to_thread(sealing.seal, env, row.certificate)
            await self._desk.start_runner(name, sealed)
            row = await self._known(name)
        return statuses.of(row)

    async def wait(self, name: str) -> ports.SandboxStatus:
        """See ports.SandboxProvider.wait. Meanwhile uploads are signed, and a machine that is lost is noticed."""
        while True:
            row = await self._known(name)
            found = statuses.of(row)
            if found.state != "running":
                return found
            await self._settle_at_times(row)
            await self._bell.wait(_LOOK_SECONDS)

    async def status(self, name: str) -> ports.SandboxStatus | None:
        """See ports.SandboxProvider.status. A sandbox whose making broke off is None: `create` goes on with it."""
        row = await self._look(name)
        if row is None or row.state in {"ordered", "claimed"}:
            return None
        if row.state != "ended":
            await self._settle(row)
            row = await self._look(name)
        return statuses.of(row) if row else None

    async def read_log(self, name: str, offset: int, limit: int = 1 << 16) -> bytes:
        """See ports.SandboxProvider.read_log."""
        return await self._desk.runner_output(name, offset, limit)

    async def follow_log(self, name: str, offset: int = 0) -> AsyncGenerator[bytes, None]:
        """See ports.SandboxProvider.follow_log."""
        while True:
            row = await self._desk.runner(name)
            over = row is None or row.state == "ended"
            while data := await self._desk.runner_output(name, offset, 1 << 16):
                offset += len(data)
                yield data
            if over:
                return
            await self._bell.wait(_LOOK_SECONDS)

    async def read_file(self, name: str, path: str) -> AsyncIterator[bytes]:
        """See ports.SandboxProvider.read_file. What its machine has while that answers, then the outputs that it uploaded.

        Rely on bytes only once all have come: whether the runner had them at all is known at their end.
        """
        answer = await self._asked_for(name, path)
        if answer is not None and "data" in answer:
            yield base64.b64decode(answer["data"])
            return
        row = await self._look(name)
        place = path if answer is None else f"{_REQUESTS}/{answer['key']}"
        there = row is not None and (row.files.get(path) if answer is None else "sha256" in answer)
        if not there:
            raise errors.Stalled(
                f'output is missing: "{path}" was not left by the command as a regular file, or was not declared',
                reason="OutputMissing",
            )
        async for data in self._uploaded(name, place):
            yield data

    async def _asked_for(self, name: str, path: str) -> Mapping[str, Any] | None:
        """What the runner answers of a file; None: it does not run, or ended first."""
        row = await self._look(name)
        if row is None or row.start_at is None or not self._answers(row):
            return None
        key = f"read-{secrets.token_hex(8)}"
        try:
            found = await self._answer(name, key, {"op": "read", "path": path}, _FILES_SECONDS)
        except errors.Stalled as problem:
            if problem.reason != "NotRunning":
                raise
            return None
        return None if found is None else {**found, "key": key}

    async def _uploaded(self, name: str, place: str) -> AsyncIterator[bytes]:
        """What the runner says that it uploaded, and proved to have: a digest alone is known to many.

        Other bytes than it promised would keep their name from others.
        """
        row = await self._desk.runner(name)
        signed = (row.uploads.get(place) or {}) if row else {}
        said = (row.files.get(place) or row.wishes.get(place) or {}) if row else {}
        challenge, proof = signed.get("challenge"), said.get("proof")
        if not challenge or not proof:
            raise _unproven(place)
        check = proving.Proof(challenge)
        try:
            async for data in self._storage.open(said["sha256"]):
                check.add(data)
                yield data
        except errors.Stalled as problem:
            if problem.reason == "DigestMismatch" and signed.get("url"):
                await self._storage.discard(said["sha256"])
            raise
        if not check.holds(proof):
            raise _unproven(place)

    async def archive(self, name: str) -> AsyncIterator[bytes]:
        """See ports.SandboxProvider.archive. Of what runs, and of a session for as long as its machine is there."""
        key = f"archive-{secrets.token_hex(8)}"
        answer = await self._answer(name, key, {"op": "archive"}, _FILES_SECONDS)
        if answer is None or "sha256" not in answer:
            told = answer["message"] if answer else "its machine does not answer any more"
            raise errors.Stalled(
                f'do_runner: the files of sandbox "{name}" cannot be had: {told}',
                reason="SnapshotFailed",
            )
        async for data in self._uploaded(name, f"{_REQUESTS}/{key}"):
            yield data

    async def execute(
        self,
        name: str,
        key: str,
        command: Sequence[str],
        *,
        seconds: float,
    ) -> ports.Executed:
        """See ports.SandboxProvider.execute. The runner hears of it at its next sign of life."""
        executing.check(key, command, seconds)
        asked = {"op": "execute", "argv": list(command), "seconds": seconds}
        found = await self._answer(name, key, asked, seconds + _ANSWER_SECONDS)
        lost = ports.Executed("Lost", message="the sandbox ended first")
        return executing.told(found, runs=False) or lost

    async def extend(self, name: str, deadline: datetime.datetime) -> None:
        """See ports.SandboxProvider.extend. Of a sandbox that has ended: nothing happens."""
        await self._known(name)
        await self._desk.extend_runner(name, deadline)

    async def stop(self, name: str, reason: str = "Cancelled") -> ports.SandboxStatus | None:
        """See ports.SandboxProvider.stop. A runner that does not answer loses its machine."""
        await self._desk.stop_runner(name, reason)
        end = time.monotonic() + _STOP_SECONDS
        while (row := await self._look(name)) is not None and row.state != "ended":
            if row.state == "ordered" or time.monotonic() > end:
                await self._destroy(row)
                report = {"state": "exited", "reason": reason, "ended_at": row.now.timestamp()}
                await self._desk.conclude_runner(name, report)
                continue
            await self._settle(row)
            await self._bell.wait(_LOOK_SECONDS)
        return statuses.of(row) if row else None

    async def delete(self, name: str) -> None:
        """See ports.SandboxProvider.delete. With its machine ends everything of it; a machine that no row knows goes too."""
        row = await self._desk.runner(name)
        if row is None:
            await self._destroy_all({each.id for each in await self._api.anywhere(name)})
        else:
            await self._desk.stop_runner(name, "Cancelled")
            unsure = row.external_id is None and not _listed(row, self._chosen)
            if unsure and not await self._api.named(name):
                raise errors.Waiting(
                    f'do_runner: whether there is a machine "{name}" is not sure yet',
                    reason="SandboxUnavailable",
                    retry_after=self._chosen.list_lag,
                )
            await self._destroy(row)
            await self._desk.remove_runner(name)
        self._checked.pop(name, None)
        self._waking.forget(name)

    async def try_machine(self, name: str) -> str:
        """What `wbx provider check` asks of a microVM while its command runs, in a line. See checking.machine."""
        return await checking.machine(self._api.microvms, self._chosen, name)

    async def _answer(
        self, name: str, key: str, asked: Mapping[str, Any], seconds: float
    ) -> Mapping[str, Any] | None:
        """What the runner answers; None: it ended without an answer.

        Raises:
            errors.Stalled: reason NotRunning.
            errors.Waiting: there is none yet.
        """
        end = time.monotonic() + seconds
        files = asked["op"] in {"archive", "read"}
        while True:
            row = await self._look(name)
            over = row is None or row.state == "ended"
            lingers = files and row is not None and self._lingers(row)
            found = await self._desk.ask_runner(name, key, asked, after=lingers)
            if row is None or found is None:
                raise executing.not_running(name)
            if found.answer is not None or (over and not lingers):
                return found.answer
            if time.monotonic() > end:
                raise errors.Waiting(
                    f'do_runner: the runner of "{name}" has not answered yet',
                    reason="SandboxUnavailable",
                )
            await self._settle_at_times(row)
            await self._bell.wait(_LOOK_SECONDS)

    def _answers(self, row: ports.Runner) -> bool:
        """Whether its runner may still be asked."""
        return row.state != "ended" or self._lingers(row)

    def _lingers(self, row: ports.Runner) -> bool:
        return statuses.lingers(row, self._chosen.silence)

    async def _settle_at_times(self, row: ports.Runner) -> None:
        if time.monotonic() - self._checked.get(row.name, 0.0) > _CHECK_SECONDS:
            self._checked[row.name] = time.monotonic()
            await self._settle(row)

    async def _known(self, name: str) -> ports.Runner:
        row = await self._look(name)
        if row is None:
            raise errors.Stalled(f'there is no sandbox "{name}"', reason="SandboxMissing")
        return row

    async def _look(self, name: str) -> ports.Runner | None:
        """The row. What its runner wishes for is signed on the way, and the machine of what ended is destroyed."""
        row = await self._desk.runner(name)
        if row is None:
            return None
        there = self._answers(row)
        if there and set(row.wishes) - set(row.uploads):
            signed = await orders.uploads(self._storage, row, self._chosen.api_url)
            await self._desk.sign_runner(name, signed)
        if not there and row.external_id is not None:
            with contextlib.suppress(errors.Waiting):
                await self._destroy(row)
                await self._desk.bind_runner(name, None)
        return row

    async def _settle(self, row: ports.Runner) -> None:
        """Conclude for a runner that cannot any more. While the vendor does not answer nothing is known."""
        with contextlib.suppress(errors.Waiting):
            machine = await self._api.get(row.external_id) if row.external_id else None
            again = await self._desk.runner(row.name)
            if again is None or again.state in {"ordered", "claimed", "ended"}:
                return
            silence = self._waking.silence(row.name, machine)
            report = statuses.lost(again, machine, silence, self._chosen.grace)
            if report is not None:
                await self._destroy(again)
                await self._desk.conclude_runner(row.name, report)
            elif machine is not None:
                await self._waking.keep(machine)

    async def _destroy(self, row: ports.Runner) -> None:
        """Every machine of that name; returns once they are gone."""
        own = {row.external_id} if row.external_id else set()
        await self._destroy_all(own | {each.id for each in await self._api.named(row.name)})

    async def _destroy_all(self, ids: set[str]) -> None:
        end = time.monotonic() + _GONE_SECONDS
        for each in ids:
            await self._api.destroy(each)
            while await self._api.get(each) is not None:
                if time.monotonic() > end:
                    raise errors.Waiting(
                        f"do_runner: {machines.shape(each)} {machines.number(each)} is being destroyed",
                        reason="SandboxUnavailable",
                    )
                await asyncio.sleep(1.0)


def _unproven(place: str) -> errors.Stalled:
    return errors.Stalled(
        f'output is missing: the machine did not prove that it has "{place}"; run it again',
        reason="OutputMissing",
    )


def _listed(row: ports.Runner, chosen: settings.Settings) -> bool:
    """Whether a machine that the last try made would be listed by now."""
    return row.try_at is None or (row.now - row.try_at).total_seconds() > chosen.list_lag
