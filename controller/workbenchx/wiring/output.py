"""What a run printed, piece by piece: recorded chunks, then the log's artifact; of a service what its sandbox prints."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from typing import Any

from workbenchx import errors, ports
from workbenchx.engine import patience
from workbenchx.planner import model
from workbenchx.store import reads
from workbenchx.wiring import handing

SERVING = frozenset({"create", "replace"})
_LIVING = frozenset({"created", "running"})
_LOG = "log"
_PART = 8 << 20


class Waker:
    """Wakes whoever waits for output: one LISTEN connection, from the first one who waits until `close`."""

    def __init__(self, printed: Callable[[], AsyncIterator[None]]) -> None:
        self._printed = printed
        self._waiting: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def waiting(self) -> Iterator[asyncio.Event]:
        """An event that is set whenever output may have come, while inside."""
        mine = asyncio.Event()
        self._waiting.add(mine)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen())
        try:
            yield mine
        finally:
            self._waiting.discard(mine)

    async def close(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _listen(self) -> None:
        async for _ in patience.surviving(self._printed):
            for each in self._waiting:
                each.set()


async def part(
    known: reads.Reads,
    sandboxes: Mapping[str, ports.SandboxProvider],
    run: Mapping[str, Any],
    offset: int,
    *,
    wait: float,
    waker: Waker | None = None,
    storage: ports.StorageProvider | None = None,
) -> ports.LogPart:
    """The output of a run from `offset` on, as `ports.Access.log`. Without a `waker` recorded output is not waited for.

    Raises:
        errors.Stalled: reason SandboxMissing: a service's output went with its sandbox. ArtifactRemoved: by retention.
    """
    if run["operation"] not in SERVING:
        found = await _awaited(known, str(run["run_id"]), offset, wait, waker)
        return await kept(known, storage, str(run["run_id"]), offset) if found.ended else found
    provider, name = sandboxes.get(str(run["provider"])), run["external_id"]
    status = await provider.status(name) if provider and name else None
    if provider is None or status is None:
        raise errors.Stalled(
            f"the sandbox of run {run['run_id']} is gone, and its output with it",
            reason="SandboxMissing",
        )
    return await _printing(provider, status, offset, wait)


async def _awaited(
    known: reads.Reads, run_id: str, offset: int, wait: float, waker: Waker | None
) -> ports.LogPart:
    if not wait or waker is None:
        return await _recorded(known, run_id, offset)
    loop = asyncio.get_running_loop()
    give_up = loop.time() + wait
    with waker.waiting() as woken:
        while True:
            woken.clear()
            found = await _recorded(known, run_id, offset)
            left = give_up - loop.time()
            if found.data or found.ended or left <= 0:
                return found
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await woken.wait()


async def _recorded(known: reads.Reads, run_id: str, offset: int) -> ports.LogPart:
    # The state first: what was printed before the end is recorded before the end.
    ended = not model.ExecutionState((await known.run(run_id))["state"]).open
    data = await known.log(run_id, offset)
    return ports.LogPart(data, offset + len(data), ended and not data)


async def kept(
    known: reads.Reads, storage: ports.StorageProvider | None, run_id: str, offset: int
) -> ports.LogPart:
    """The same of a run that has ended and has no chunks behind `offset` (any more): from its log's artifact.

    Raises:
        errors.Stalled: reason ArtifactRemoved: by retention.
    """
    logs = [row for row in await known.artifacts(run_id=run_id) if row["name"] == _LOG]
    if storage is None or not logs or offset >= logs[0]["bytes"]:
        return ports.LogPart(b"", offset, ended=True)
    handing.refuse_removed(logs[0])
    data = await _slice(storage.open(logs[0]["sha256"]), offset, offset + _PART)
    return ports.LogPart(data, offset + len(data), ended=not data)


async def _slice(stream: AsyncIterator[bytes], begin: int, end: int) -> bytes:
    """What lies between two places of a stream. It is read to its end: storage vouches for it there."""
    found, at = bytearray(), 0
    async for data in stream:
        found += data[max(begin - at, 0) : max(end - at, 0)]
        at += len(data)
    return bytes(found)


async def _printing(
    provider: ports.SandboxProvider, status: ports.SandboxStatus, offset: int, wait: float
) -> ports.LogPart:
    if data := await provider.read_log(status.name, offset):
        return ports.LogPart(data, offset + len(data), ended=False)
    if status.state not in _LIVING or not wait:
        return ports.LogPart(b"", offset, status.state not in _LIVING)
    return await _next(provider.follow_log(status.name, offset), offset, wait)


async def _next(following: AsyncGenerator[bytes, None], offset: int, wait: float) -> ports.LogPart:
    """The first piece that comes within `wait` seconds."""
    async with contextlib.aclosing(following):
        try:
            async with asyncio.timeout(wait):
                data = await anext(following)
        except TimeoutError:
            return ports.LogPart(b"", offset, ended=False)
        except StopAsyncIteration:
            return ports.LogPart(b"", offset, ended=True)
    return ports.LogPart(data, offset + len(data), ended=False)
