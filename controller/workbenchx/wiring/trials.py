"""One cheap call of each verb of an adapter, undone again: whether credentials, rights and the vendor's side are as they must be.

By the ports alone, so that every adapter is tried the same way. What cannot be undone is not called, and said.
"""

import asyncio
import contextlib
import dataclasses
import datetime
import decimal
import functools
import hashlib
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

from workbenchx import errors, ports

_COMMAND = (
    "sh",
    "-c",
    'read -r x < given; echo "$x"; echo "kept $x" > kept; echo "said $WORD"; exec sleep 3600',
)
_LIFE = datetime.timedelta(minutes=30)
_PATIENCE = 300.0
_BOOT = 600.0
_AGAIN_SECONDS = 1.0
_SIGNED = datetime.timedelta(minutes=5)


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One verb. `outcome`: ok, failed, or skipped (not called, `said` is why)."""

    verb: str
    outcome: str
    said: str
    seconds: float = 0.0


class _Failed(Exception):
    """Nothing after this can be tried."""


class Trial:
    """The steps of one adapter, told one by one."""

    def __init__(self) -> None:
        self.failed = False
        self.price: decimal.Decimal | None = None
        self._told: asyncio.Queue[Step | None] = asyncio.Queue()

    async def steps(
        self, trying: Callable[["Trial"], Awaitable[None]]
    ) -> AsyncGenerator[Step, None]:
        """Each step when it is over."""
        task = asyncio.create_task(self._all(trying))
        try:
            while (step := await self._told.get()) is not None:
                yield step
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _all(self, trying: Callable[["Trial"], Awaitable[None]]) -> None:
        try:
            with contextlib.suppress(_Failed):
                await trying(self)
        finally:
            self._told.put_nowait(None)

    async def step(
        self,
        verb: str,
        call: Callable[[], Awaitable[str]],
        *,
        last: bool = False,
        patience: float = _PATIENCE,
    ) -> None:
        """Call it; what has to wait is tried again for a while. `last`: a failure ends nothing, what follows undoes."""
        begun = time.monotonic()
        outcome, said = "ok", ""
        try:
            async with asyncio.timeout(patience):
                said = await _patiently(call, patience)
        except errors.WorkbenchError as problem:
            outcome, said = "failed", problem.message
        except TimeoutError:
            outcome, said = "failed", f"no end after {patience:g} s"
        self.failed |= outcome == "failed"
        self._told.put_nowait(Step(verb, outcome, said, time.monotonic() - begun))
        if outcome == "failed" and not last:
            raise _Failed

    def skip(self, verb: str, why: str) -> None:
        """It is not called."""
        self._told.put_nowait(Step(verb, "skipped", why))


async def _patiently(call: Callable[[], Awaitable[str]], patience: float) -> str:
    """A minute for a vendor that does not answer; what starts has its whole time."""
    begun = time.monotonic()
    while True:
        try:
            return await call()
        except errors.Waiting as problem:
            starts = problem.reason == "SandboxUnavailable"
            most = patience if starts else _PATIENCE / 5
            if time.monotonic() - begun + problem.retry_after > most:
                raise
            await asyncio.sleep(max(_AGAIN_SECONDS, problem.retry_after))


@dataclasses.dataclass(frozen=True, slots=True)
class Surroundings:
    """What a sandbox is tried with. `before`: what must be true first, as a step called "api".

    `machine`: what is asked of its machine while its command runs, by the name of the sandbox, as a step of that name.
    """

    storage: ports.StorageProvider
    installation: str
    image: str
    before: Callable[[], Awaitable[str]] | None = None
    machine: Callable[[str], Awaitable[str]] | None = None


async def sandbox(
    trial: Trial, provider: ports.SandboxProvider, surroundings: Surroundings
) -> None:
    """One small sandbox, from the list that does not show it to the list that does not show it any more."""
    if surroundings.before is not None:
        await trial.step("api", surroundings.before)
    word = secrets.token_hex(16)
    spec = _spec(surroundings, hashlib.sha256(f"{word}\n".encode()).hexdigest())
    trial.price = provider.price(spec)
    tried = _Sandbox(provider, spec, surroundings.storage, word)
    await trial.step("observe", tried.observe)
    try:
        await trial.step("create", tried.create, patience=_BOOT)
        for verb in ("start", "status", "read_log"):
            await trial.step(verb, getattr(tried, verb))
        if surroundings.machine is not None:
            await trial.step("machine", functools.partial(surroundings.machine, spec.name))
        await tried.optional(trial)
        for verb in ("extend", "stop", "wait", "read_file"):
            await trial.step(verb, getattr(tried, verb))
    finally:
        await trial.step("delete", tried.delete, last=True)
        await trial.step("observe again", tried.gone, last=True)


def _spec(surroundings: Surroundings, given: str) -> ports.SandboxSpec:
    """Its tags say whose it is: a worker's sweep finds what a check that was killed left behind."""
    return ports.SandboxSpec(
        name=f"wbx-check-{secrets.token_hex(6)}",
        tags={
            ports.INSTALLATION_TAG: surroundings.installation,
            ports.RESOURCE_TAG: "check",
            ports.KIND_TAG: "ProviderCheck",
        },
        shape="execution",
        image=surroundings.image,
        command=_COMMAND,
        files=(ports.StagedFile("given", given),),
        outputs=("kept",),
        deadline=datetime.datetime.now(datetime.UTC) + _LIFE,
    )


class _Sandbox:
    def __init__(
        self,
        provider: ports.SandboxProvider,
        spec: ports.SandboxSpec,
        storage: ports.StorageProvider,
        word: str,
    ) -> None:
        self._provider = provider
        self._spec = spec
        self._storage = storage
        self._word = word
        self._archived: str | None = None

    async def observe(self) -> str:
        seen = await self._provider.observe()
        return f"{len(seen.objects)} listed, {'complete' if seen.complete else 'not complete'}"

    async def create(self) -> str:
        await self._storage.put(_once(f"{self._word}\n".encode()))
        status = await self._provider.create(self._spec)
        return f"{self._spec.name} is {status.state}"

    async def start(self) -> str:
        status = await self._provider.start(self._spec.name, {"WORD": "hello"})
        return f"it is {status.state}"

    async def status(self) -> str:
        status = await self._provider.status(self._spec.name)
        if status is None or status.state != "running":
            raise _wrong(f"it is {status.state if status else 'not there'}, must be running")
        return f"it is running{f': {status.message}' if status.message else ''}"

    async def read_log(self) -> str:
        wanted = f"{self._word}\nsaid hello\n".encode()
        async with asyncio.timeout(_PATIENCE):
            while (found := await self._provider.read_log(self._spec.name, 0)) != wanted:
                if not wanted.startswith(found):
                    raise _wrong(f"the output is {found[:100]!r}")
                await asyncio.sleep(_AGAIN_SECONDS / 4)
        return f"{len(wanted)} bytes, with the file and the variable that were given"

    async def read_file(self) -> str:
        found = b"".join([part async for part in self._provider.read_file(self._spec.name, "kept")])
        if found != self._kept:
            raise _wrong(f"the file holds {found[:100]!r}")
        return "a file that the command wrote"

    @property
    def _kept(self) -> bytes:
        return f"kept {self._word}\n".encode()

    async def optional(self, trial: Trial) -> None:
        """What its capabilities name."""
        can = self._provider.capabilities
        if can.executes:
            await trial.step("execute", self._execute)
        else:
            trial.skip("execute", "this adapter cannot")
        if can.snapshots:
            await trial.step("archive", self._archive)
        else:
            trial.skip("archive", "this adapter cannot")

    async def _execute(self) -> str:
        ended = await self._provider.execute(self._spec.name, "check", ("cat", "kept"), seconds=60)
        if (ended.exit_code, ended.output) != (0, self._kept):
            raise _wrong(f"exit code {ended.exit_code}: {ended.message}")
        return "a command beside it saw the same files"

    async def _archive(self) -> str:
        size, digest = 0, hashlib.sha256()
        async for part in self._provider.archive(self._spec.name):
            size += len(part)
            digest.update(part)
        self._archived = digest.hexdigest()
        return f"{size} bytes"

    async def extend(self) -> str:
        until = datetime.datetime.now(datetime.UTC) + 2 * _LIFE
        await self._provider.extend(self._spec.name, until)
        return "the deadline is half an hour later"

    async def stop(self) -> str:
        status = await self._provider.stop(self._spec.name)
        return f"it is {status.state}: {status.reason}" if status else "it is gone"

    async def wait(self) -> str:
        status = await self._provider.wait(self._spec.name)
        return f"nothing runs: {status.reason}"

    async def delete(self) -> str:
        await self._provider.delete(self._spec.name)
        given = (f"{self._word}\n".encode(), self._kept)
        for digest in [hashlib.sha256(data).hexdigest() for data in given] + [self._archived]:
            if digest is not None:
                await self._storage.delete(digest)
        return "it is gone"

    async def gone(self) -> str:
        found = (await self._provider.observe()).objects
        if any(each.name == self._spec.name for each in found):
            raise errors.Waiting(f'"{self._spec.name}" is still listed')
        return "nothing is left"


async def storage(trial: Trial, provider: ports.StorageProvider) -> None:
    """One small object under the digest of bytes that nobody else has."""
    tried = _Storage(provider, secrets.token_bytes(1024))
    try:
        for verb in ("put", "exists", "open", "list", "signed_url", "signed_put"):
            await trial.step(verb, getattr(tried, verb))
        trial.skip("pin", "what is pinned is never removed")
    finally:
        await trial.step("delete", tried.delete, last=True)


class _Storage:
    def __init__(self, provider: ports.StorageProvider, data: bytes) -> None:
        self._provider = provider
        self._data = data
        self._sha256 = ""

    async def put(self) -> str:
        blob = await self._provider.put(_once(self._data))
        self._sha256 = blob.sha256
        return f"{blob.bytes} bytes in {blob.bucket}"

    async def exists(self) -> str:
        if not await self._provider.exists(self._sha256):
            raise errors.Waiting("what was put is not there yet")
        return "it is there"

    async def open(self) -> str:
        found = b"".join([part async for part in self._provider.open(self._sha256)])
        if found != self._data:
            raise _wrong("other bytes came than went")
        return "the same bytes, by their sha256"

    async def list(self) -> str:
        async with contextlib.aclosing(_generator(self._provider.list())) as found:
            async for _ in found:
                return "there is something"
        return "there is nothing"

    async def signed_url(self) -> str:
        link = await self._provider.signed_url(self._sha256, expires=_SIGNED)
        return f"a link until {link.expires_at:%H:%M:%S} UTC"

    async def signed_put(self) -> str:
        try:
            link = await self._provider.signed_put("0" * 64, size=1, expires=_SIGNED)
        except errors.Stalled as problem:
            if problem.reason == "InvalidSpec":
                return f"not for others: {problem.message}"
            raise
        return f"an upload until {link.expires_at:%H:%M:%S} UTC, not used"

    async def delete(self) -> str:
        if not self._sha256:
            return "nothing was put"
        await self._provider.delete(self._sha256)
        if await self._provider.exists(self._sha256):
            raise errors.Waiting("what was deleted is still there")
        return "it is gone"


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _generator(found: AsyncIterator[ports.Blob]) -> AsyncGenerator[ports.Blob, None]:
    async for each in found:
        yield each


def _wrong(message: str) -> errors.Stalled:
    return errors.Stalled(message, reason="ProviderUnavailable")
