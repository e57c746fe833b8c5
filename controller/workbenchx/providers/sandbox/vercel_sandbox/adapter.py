"""`VercelSandbox`: the adapter of `ports.SandboxProvider` for Vercel Sandbox.

A sandbox is a microVM of that name that nobody resumes: it runs from `create` on, with our tools in it. Its command starts
by `start`, once, since a start is claimed in the microVM. Its files stay readable until `delete`, or until the microVM
ends, some time after the deadline.
"""

import asyncio
import contextlib
import datetime
import decimal
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from vercel import sandbox as sdk

from workbenchx import errors, ports
from workbenchx.providers.sandbox import executing, specs
from workbenchx.providers.sandbox.vercel_sandbox import (
    client,
    faults,
    hand,
    making,
    orders,
    settings,
    statuses,
)

_AT_ONCE = 8
_AGAIN_SECONDS = 0.5
_AWAY_SECONDS = 120.0
_ALIVE = frozenset({"created", "running"})
_LIFE = 1.0


class Seen(NamedTuple):
    """One look. `told`: by our tools in it; None where they could not be asked."""

    box: sdk.Sandbox
    told: hand.Json | None

    @property
    def status(self) -> ports.SandboxStatus:
        """What it is."""
        return statuses.of(self.box, self.told)

    @property
    def session(self) -> sdk.SandboxRuntimeSession | None:
        """The microVM, while it can be worked in."""
        running = client.state(self.box) is client.READY
        return self.box.current_session if running else None


class VercelSandbox:
    """Sandboxes of one project at Vercel. Several processes may share it; `aclose` gives up nothing that runs."""

    adapter = "vercel_sandbox"

    def __init__(
        self,
        credential: Callable[[str], str],
        storage: ports.StorageProvider,
        installation: str,
        chosen: settings.Settings,
    ) -> None:
        self._installation = installation
        self._chosen = chosen
        self._vendor = client.Client(credential, chosen)
        self._hand = hand.Hand(chosen)
        self._maker = making.Maker(self._vendor, self._hand, storage, installation, chosen)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self.capabilities = ports.Capabilities(
            isolates=True,
            list_lag=5.0,
            snapshots=True,
            executes=True,
            ports=True,
            restarts=True,
            max_lifetime=chosen.longest,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._vendor.aclose()

    def price(self, spec: ports.SandboxSpec) -> decimal.Decimal:
        """See ports.SandboxProvider.price."""
        return orders.price(spec)

    async def observe(self) -> ports.Observation:
        """See ports.SandboxProvider.observe. One paged list; what runs is asked how it is, by one call, a few at a time."""
        at = datetime.datetime.now(datetime.UTC)
        with _ours():
            listed = await self._vendor.list(self._installation)
        found = await asyncio.gather(*(self._observed(box) for box in listed))
        return ports.Observation(
            complete=True, at=at, objects=tuple(each for each in found if each is not None)
        )

    async def _observed(self, listed: sdk.Sandbox) -> ports.SandboxStatus | None:
        """None if it went meanwhile. What cannot be asked now is of unknown state, and there."""
        if client.state(listed) is not client.READY:
            return statuses.of(listed, None)
        async with self._slots:
            try:
                with _ours():
                    box = await self._vendor.whole(listed)
                seen = await self._peeked(box)
            except errors.WorkbenchError as problem:
                return statuses.of(listed, {"state": "unknown", "message": problem.message})
        return statuses.of(seen.box, seen.told, shown=listed) if seen else None

    async def create(self, spec: ports.SandboxSpec) -> ports.SandboxStatus:
        """See ports.SandboxProvider.create."""
        specs.check(spec, specs.LABEL, specs.LABEL_SPELLED)
        orders.check(spec, self._chosen)
        return await self._maker.make(spec)

    async def start(self, name: str, env: Mapping[str, str]) -> ports.SandboxStatus:
        """See ports.SandboxProvider.start. `env` goes through the vendor's API into the supervisor's memory."""
        seen = await self._known(name)
        if seen.status.state != "created" or seen.session is None:
            return seen.status
        if statuses.making(seen.told):
            raise faults.missing(name)
        with _ours():
            told = await self._hand.start(seen.session, env)
        if told["state"] == "created":
            raise faults.waiting(f'sandbox "{name}" does not take its start')
        return statuses.of(seen.box, told)

    async def wait(self, name: str) -> ports.SandboxStatus:
        """See ports.SandboxProvider.wait. A vendor that is away for a while is waited for, too."""
        heard = time.monotonic()
        while True:
            try:
                seen = await self._known(name)
                heard = time.monotonic()
                if seen.status.state not in {"running", "unknown"} or seen.session is None:
                    return seen.status
                with _ours():
                    told = await self._hand.wait(seen.session)
                if told["state"] != "running":
                    return statuses.of(seen.box, told)
            except errors.Waiting as problem:
                await _again(problem, heard)

    async def status(self, name: str) -> ports.SandboxStatus | None:
        """See ports.SandboxProvider.status. A sandbox whose making broke off is None: `create` goes on with it."""
        seen = await self._look(name)
        if (
            seen is None
            or statuses.making(seen.told)
            or client.state(seen.box) is sdk.SandboxStatus.PENDING
        ):
            return None
        return seen.status

    async def read_log(self, name: str, offset: int, limit: int = 1 << 16) -> bytes:
        """See ports.SandboxProvider.read_log."""
        session = await self._session(name)
        if session is None:
            return b""
        with _ours():
            return await self._hand.log(session, offset, limit)

    async def follow_log(self, name: str, offset: int = 0) -> AsyncGenerator[bytes, None]:
        """See ports.SandboxProvider.follow_log. A stream that breaks is taken up where it broke."""
        heard = time.monotonic()
        while True:
            try:
                session = await self._session(name)
                if session is None:
                    return
                with _ours():
                    async with contextlib.aclosing(self._hand.follow(session, offset)) as stream:
                        async for data in stream:
                            if not data:
                                return
                            offset += len(data)
                            heard = time.monotonic()
                            yield data
            except errors.Waiting as problem:
                await _again(problem, heard)

    async def read_file(self, name: str, path: str) -> AsyncIterator[bytes]:
        """See ports.SandboxProvider.read_file."""
        session = await self._session(name)
        if session is None:
            raise errors.Stalled(
                f'output is missing: "{path}": the files of sandbox "{name}" are gone',
                reason="OutputMissing",
            )
        with _ours():
            async with contextlib.aclosing(self._hand.read(session, path)) as stream:
                async for data in stream:
                    yield data

    async def archive(self, name: str) -> AsyncIterator[bytes]:
        """See ports.SandboxProvider.archive. Not a snapshot of the vendor's: that would stop the sandbox, and stay there."""
        session = await self._session(name)
        if session is None:
            raise faults.missing(name)
        with _ours():
            async with contextlib.aclosing(self._hand.save(session)) as stream:
                async for data in stream:
                    yield data

    async def extend(self, name: str, deadline: datetime.datetime) -> None:
        """See ports.SandboxProvider.extend. Of a sandbox that has ended: nothing happens."""
        seen = await self._known(name)
        if seen.session is None:
            return
        more = orders.life(deadline, self._chosen) - _left(seen.session)
        with _ours():
            if more > _LIFE:
                await self._vendor.extend(seen.session, more)
            await self._hand.ask(seen.session, "extend", str(deadline.timestamp()))

    async def execute(
        self, name: str, key: str, command: Sequence[str], *, seconds: float
    ) -> ports.Executed:
        """See ports.SandboxProvider.execute. A connection that breaks is taken up: what runs goes on meanwhile."""
        executing.check(key, command, seconds)
        patience = time.monotonic() + seconds + _AWAY_SECONDS
        while True:
            try:
                session = await self._session(name)
                with _ours():
                    found = session and await self._hand.execute(session, key, command, seconds)
            except errors.Waiting:
                if time.monotonic() > patience:
                    raise
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            if ended := executing.told(found or None, runs=False):
                return ended
            raise executing.not_running(name)

    async def stop(self, name: str, reason: str = "Cancelled") -> ports.SandboxStatus | None:
        """See ports.SandboxProvider.stop. None if there is no such sandbox."""
        seen = await self._look(name)
        if seen is None:
            return None
        if seen.session is None and client.state(seen.box) in client.ENDED:
            return seen.status
        if seen.session is None or statuses.making(seen.told):
            await self.delete(name)
            return None
        if seen.status.state not in _ALIVE:
            return seen.status
        with _ours():
            told = await self._hand.ask(
                seen.session, "stop", reason, seconds=self._chosen.grace + self._chosen.call
            )
        return statuses.of(seen.box, told)

    async def delete(self, name: str) -> None:
        """See ports.SandboxProvider.delete. With its microVM the whole process tree goes."""
        if not specs.LABEL.fullmatch(name):
            return
        with _ours():
            box = await self._vendor.get(name)
            if box is None or not self._maker.owns(box):
                return
            await self._vendor.destroy(name)
            await self._vendor.gone(name)

    async def _look(self, name: str) -> Seen | None:
        """As it is now; None if there is none of ours."""
        if not specs.LABEL.fullmatch(name):
            return None
        with _ours():
            box = await self._vendor.get(name)
        return await self._peeked(box)

    async def _peeked(self, box: sdk.Sandbox | None) -> Seen | None:
        if box is None or not self._maker.owns(box):
            return None
        if client.state(box) is not client.READY or box.current_session is None:
            return Seen(box, None)
        try:
            return Seen(box, await self._hand.ask(box.current_session, "peek"))
        except faults.GoneError as problem:
            message = f'the microVM of sandbox "{box.name}" ends ({problem})'
            raise faults.waiting(message) from problem

    async def _known(self, name: str) -> Seen:
        seen = await self._look(name)
        if seen is None:
            raise faults.missing(name)
        return seen

    async def _session(self, name: str) -> sdk.SandboxRuntimeSession | None:
        """The microVM, if its files can be had."""
        if not specs.LABEL.fullmatch(name):
            return None
        with _ours():
            box = await self._vendor.get(name)
        if box is None or not self._maker.owns(box):
            return None
        return box.current_session if client.state(box) is client.READY else None


@contextlib.contextmanager
def _ours() -> Iterator[None]:
    """What is gone is told as what passes: the next look says what it is."""
    try:
        yield
    except faults.GoneError as problem:
        raise faults.waiting(f"the sandbox ends or is not there any more ({problem})") from problem


async def _again(problem: errors.Waiting, heard: float) -> None:
    """Try again soon; raise once it is away for too long."""
    if time.monotonic() - heard > _AWAY_SECONDS:
        raise problem
    await asyncio.sleep(min(problem.retry_after, _AGAIN_SECONDS * 4))


def _left(session: sdk.SandboxRuntimeSession) -> float:
    """Seconds that the vendor lets it live from now."""
    limit = session.execution_time_limit or datetime.timedelta()
    begun = (session.started_at or session.requested_at or 0) / 1000
    return begun + limit.total_seconds() - time.time()
