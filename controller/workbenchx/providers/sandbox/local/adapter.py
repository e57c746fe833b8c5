"""`LocalSandbox`: the local adapter of `ports.SandboxProvider`."""

import asyncio
import contextlib
import datetime
import decimal
import errno
import logging
import os
import pathlib
import re
import secrets
import shutil
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence

from workbenchx import errors, ports
from workbenchx.providers.sandbox import executing, specs
from workbenchx.providers.sandbox.local import (
    interpreters,
    isolation,
    link,
    orders,
    records,
    shelf,
    staging,
)
from workbenchx.providers.sandbox.supervision import archive, beside, layout, opening

_LOG = logging.getLogger(__name__)
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,127}")
_SPELLED = 'lower-case letters, digits, "-", "_", "."'
_CHUNK = 1 << 20
# How often a moment without a notification is looked at again: a supervisor between its lock and its socket.
_MOMENT = 0.005
_PATIENCE = 120.0


class LocalSandbox:
    """Sandboxes in `root`, one folder each. Several processes may use one folder.

    `isolate`: None finds out whether bubblewrap works here; False asks for plain processes. `close` (or the end of
    this process) gives up nothing that runs.
    """

    adapter = "local"

    def __init__(
        self,
        root: pathlib.Path,
        storage: ports.StorageProvider,
        installation: str,
        *,
        isolate: bool | None = None,
        limits: orders.Limits | None = None,
    ) -> None:
        if sys.platform != "linux":
            raise errors.Stalled(
                f'local sandboxes need Linux: this is "{sys.platform}"',
                reason="ProviderUnavailable",
            )
        self._storage = storage
        self._installation = installation
        self._limits = limits or orders.Limits()
        self._walls = (
            isolation.Isolation("", "it was asked for") if isolate is False else isolation.detect()
        )
        self.capabilities = ports.Capabilities(
            isolates=bool(self._walls.bubblewrap),
            ports=True,
            restarts=True,
            snapshots=True,
            executes=True,
        )
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._shelf = shelf.Shelf(root.resolve())
        self._shelf.sweep()
        isolation.generate(self._shelf.root / ".etc")
        self._pythons = interpreters.Shelf(orders.venvs(self._shelf.root))
        self._link = link.Link(self._shelf.root)
        if not self._walls.bubblewrap:
            _LOG.warning("sandboxes do not isolate: %s", self._warning())

    def close(self) -> None:
        """Let the helper process go; sandboxes go on."""
        self._link.close()

    def price(self, spec: ports.SandboxSpec) -> decimal.Decimal:
        """See ports.SandboxProvider.price. This machine costs nothing."""
        del spec
        return decimal.Decimal(0)

    async def observe(self) -> ports.Observation:
        """See ports.SandboxProvider.observe."""
        at = datetime.datetime.now(datetime.UTC)
        found = await asyncio.to_thread(self._shelf.all)
        mine = [
            each
            for each in found
            if each.tags.get("installation", self._installation) == self._installation
        ]
        return ports.Observation(complete=True, at=at, objects=tuple(mine))

    async def create(self, spec: ports.SandboxSpec) -> ports.SandboxStatus:
        """See ports.SandboxProvider.create.

        Conflict if the name is taken by another spec. Stalled: InvalidSpec, RuntimeUnavailable, DiskFull, …
        """
        specs.check(spec, _NAME, _SPELLED)
        try:
            return self._existing(spec) or await self._create(spec)
        except OSError as problem:
            raise _refused(self._shelf.root, problem) from problem

    async def _create(self, spec: ports.SandboxSpec) -> ports.SandboxStatus:
        python = await self._pythons.get(spec.python, spec.packages)
        with self._shelf.making(spec.name) as folder:
            await staging.stage(self._storage, spec, folder.work)
            record = records.document(records.spec_document(spec), self._made(spec, python))
            layout.write(folder.spec, record)
            if self._shelf.show(folder, spec.name):
                return records.created(record)
        if found := self._existing(spec):
            return found
        raise _unavailable(spec.name)

    async def start(self, name: str, env: Mapping[str, str]) -> ports.SandboxStatus:
        """See ports.SandboxProvider.start. Answers the present status if it was started before."""
        folder = self._shelf.folder(name)
        async with _patience(name):
            while not folder.started.exists():
                record = layout.read(folder.spec)
                if record is None:
                    raise _missing(name)
                order = orders.build(folder, record, env, self._walls, self._limits)
                if await self._link.start(order) == "held":
                    await asyncio.sleep(_MOMENT)
        return await self._known(name)

    async def wait(self, name: str) -> ports.SandboxStatus:
        """See ports.SandboxProvider.wait."""
        while (found := await self._known(name)).state == "running":
            async with link.attend(self._shelf.folder(name)) as stream:
                if stream is not None:
                    await _end_of(stream)
                else:
                    await asyncio.sleep(_MOMENT)
        return found

    async def status(self, name: str) -> ports.SandboxStatus | None:
        """See ports.SandboxProvider.status."""
        found = self._shelf.look(name)
        if found is not None and found.reason == "Lost":
            return await asyncio.to_thread(self._shelf.settle, name)
        return found

    async def read_log(self, name: str, offset: int, limit: int = 1 << 16) -> bytes:
        """See ports.SandboxProvider.read_log."""
        try:
            with self._shelf.folder(name).log.open("rb") as log:
                return os.pread(log.fileno(), limit, offset)
        except FileNotFoundError:
            return b""

    async def follow_log(self, name: str, offset: int = 0) -> AsyncGenerator[bytes, None]:
        """See ports.SandboxProvider.follow_log."""
        over = False
        while not over:
            async with link.attend(self._shelf.folder(name)) as stream:
                if stream is not None:
                    await _follow(stream)
                over = stream is None and not await self._runs(name)
                while True:
                    while data := await self.read_log(name, offset):
                        offset += len(data)
                        yield data
                    if stream is None or not await _grew(stream):
                        break
            if not over and stream is None:
                await asyncio.sleep(_MOMENT)

    async def read_file(self, name: str, path: str) -> AsyncIterator[bytes]:
        """See ports.SandboxProvider.read_file."""
        descriptor = await asyncio.to_thread(
            opening.open_regular, self._shelf.folder(name).work, path
        )
        try:
            while chunk := await asyncio.to_thread(os.read, descriptor, _CHUNK):
                yield chunk
        finally:
            os.close(descriptor)

    async def archive(self, name: str) -> AsyncIterator[bytes]:
        """See ports.SandboxProvider.archive."""
        found = archive.pieces(self._shelf.folder(name).work)
        while (piece := await asyncio.to_thread(next, found, None)) is not None:
            yield piece

    async def extend(self, name: str, deadline: datetime.datetime) -> None:
        """See ports.SandboxProvider.extend. Of a sandbox that has ended: nothing happens."""
        async with link.attend(self._shelf.folder(name)) as stream:
            if stream is not None:
                await stream.say(op="extend", deadline=records.epoch(deadline))
                await stream.reader.readline()
                return
        folder = self._shelf.folder(name)
        record = layout.read(folder.spec)
        if record is None:
            raise _missing(name)
        if not folder.started.exists():
            record["spec"]["deadline"] = records.epoch(deadline)
            layout.write(folder.spec, record)

    async def execute(
        self, name: str, key: str, command: Sequence[str], *, seconds: float
    ) -> ports.Executed:
        """See ports.SandboxProvider.execute."""
        executing.check(key, command, seconds)
        folder = self._shelf.folder(name)
        async with _patience(name, seconds):
            while True:
                runs = await self._runs(name)
                if found := executing.told(layout.read(beside.ended_at(folder, key)), runs=runs):
                    return found
                if not runs:
                    raise executing.not_running(name)
                await _order(folder, op="execute", key=key, argv=list(command), timeout=seconds)

    async def stop(self, name: str, reason: str = "Cancelled") -> ports.SandboxStatus | None:
        """See ports.SandboxProvider.stop. None if there is no such sandbox."""
        async with _patience(name, told=lambda: self._held(name)):
            while (found := await self.status(name)) is not None:
                if found.state == "created":
                    await asyncio.to_thread(self._shelf.cancel, name, reason)
                elif found.state == "running":
                    await self._order_stop(name, reason)
                else:
                    break
        return found

    async def delete(self, name: str) -> None:
        """See ports.SandboxProvider.delete."""
        if not _NAME.fullmatch(name):
            return
        await self.stop(name)
        async with _patience(name, told=lambda: self._held(name)):
            while not await asyncio.to_thread(self._shelf.trash, name):
                await self.stop(name)

    async def _order_stop(self, name: str, reason: str) -> None:
        async with link.attend(self._shelf.folder(name)) as stream:
            if stream is not None:
                with contextlib.suppress(OSError):
                    await stream.say(op="stop", reason=reason)
                await _end_of(stream)
            else:
                await asyncio.sleep(_MOMENT)

    def _held(self, name: str) -> str:
        """What a person can do about a sandbox that does not end."""
        pid = self._shelf.holder(name)
        way = f"; if that lasts, kill its supervisor, process {pid}" if pid else ""
        return f'sandbox "{name}" is held by another process{way}'

    async def _known(self, name: str) -> ports.SandboxStatus:
        found = await self.status(name)
        if found is None:
            raise _missing(name)
        return found

    async def _runs(self, name: str) -> bool:
        found = await self.status(name)
        return found is not None and found.state == "running"

    def _existing(self, spec: ports.SandboxSpec) -> ports.SandboxStatus | None:
        record = layout.read(self._shelf.folder(spec.name).spec)
        if record is None:
            return None
        if not records.same(record["spec"], records.spec_document(spec)):
            raise errors.Conflict(
                f'sandbox name is taken by another order: "{spec.name}"', reason="NameTaken"
            )
        return self._shelf.look(spec.name)

    def _made(self, spec: ports.SandboxSpec, python: interpreters.Interpreter) -> records.Made:
        notes = [python.note] if python.note else []
        if not self._walls.bubblewrap:
            notes.append(self._warning())
        elif spec.egress:
            notes.append("local cannot filter hosts: the whole network of the machine is shared")
        return records.Made(
            mark=secrets.token_hex(16),
            folder=python.folder,
            shown=python.shown,
            version=python.version,
            notes=tuple(notes),
            boot=self._shelf.boot,
        )

    def _warning(self) -> str:
        return f"NOT ISOLATED, a plain process with limits: {self._walls.why}"


def _refused(root: pathlib.Path, problem: OSError) -> errors.Stalled:
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        left = shutil.disk_usage(root).free
        return errors.Stalled(f'disk is full: "{root}" has {left} bytes left', reason="DiskFull")
    return errors.Stalled(
        f'sandbox folder is not usable: "{root}": {problem.strerror}', reason="ProviderUnavailable"
    )


@contextlib.asynccontextmanager
async def _patience(
    name: str, more: float = 0.0, told: Callable[[], str] | None = None
) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_PATIENCE + more):
            yield
    except TimeoutError as problem:
        raise _unavailable(name, told) from problem


def _unavailable(name: str, told: Callable[[], str] | None = None) -> errors.Waiting:
    message = told() if told else f'sandbox "{name}" is held by another process'
    return errors.Waiting(message, reason="SandboxUnavailable")


def _missing(name: str) -> errors.Stalled:
    return errors.Stalled(f'there is no sandbox "{name}"', reason="SandboxMissing")


async def _order(folder: layout.Folder, **order: object) -> None:
    """Have something done, and hear that it is; a supervisor that is not there yet, or no more, is told nothing."""
    async with link.attend(folder) as stream:
        if stream is not None:
            with contextlib.suppress(OSError):
                await stream.say(**order)
                await stream.reader.readline()
    await asyncio.sleep(_MOMENT)


async def _end_of(stream: link.Stream) -> None:
    with contextlib.suppress(OSError):
        while await stream.reader.read(1 << 12):
            pass


async def _follow(stream: link.Stream) -> None:
    with contextlib.suppress(OSError):
        await stream.say(op="follow")


async def _grew(stream: link.Stream) -> bool:
    try:
        return bool(await stream.reader.read(1 << 12))
    except OSError:
        return False
