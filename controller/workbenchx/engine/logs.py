"""Output of programs: from the provider into `ops.log_chunks` as it comes, and into one artifact at the end."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

from workbenchx import ports
from workbenchx.engine import context

_CHUNK = 1 << 16
_GATHER_SECONDS = 0.2


async def pump(held: context.Held) -> None:
    """Copy the sandbox's output until it ends, from where an earlier holder stopped."""
    offset = 0
    if held.run.reattach:
        offset = await held.context.store.log_end(held.run.run_id, held.run.attempt)
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=64)
    async with asyncio.TaskGroup() as group:
        group.create_task(_feed(held.provider.follow_log(held.sandbox, offset), queue))
        await _write(held, queue, offset)


async def artifact(held: context.Held) -> ports.Blob:
    """The whole output as one content-addressed blob."""
    return await (await held.storage()).put(_whole(held.provider, held.sandbox))


async def _whole(provider: ports.SandboxProvider, name: str) -> AsyncIterator[bytes]:
    offset = 0
    while data := await provider.read_log(name, offset, _CHUNK):
        offset += len(data)
        yield data


async def _write(held: context.Held, queue: asyncio.Queue[bytes | None], offset: int) -> None:
    """Join what comes within a moment, so that a chatty program costs few rows."""
    ended = False
    while not ended and (first := await queue.get()) is not None:
        data, ended = await _join(first, queue)
        await held.context.store.append_log(held.run.run_id, held.run.attempt, offset, data)
        offset += len(data)


async def _feed(stream: AsyncGenerator[bytes, None], queue: asyncio.Queue[bytes | None]) -> None:
    try:
        async with contextlib.aclosing(stream):
            async for data in stream:
                await queue.put(data)
    finally:
        await queue.put(None)


async def _join(first: bytes, queue: asyncio.Queue[bytes | None]) -> tuple[bytes, bool]:
    parts, size = [first], len(first)
    deadline = asyncio.get_running_loop().time() + _GATHER_SECONDS
    while size < _CHUNK:
        try:
            async with asyncio.timeout_at(deadline):
                data = await queue.get()
        except TimeoutError:
            return b"".join(parts), False
        if data is None:
            return b"".join(parts), True
        parts.append(data)
        size += len(data)
    return b"".join(parts), False
