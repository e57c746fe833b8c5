"""What a run printed, piece by piece: recorded chunks, or of a service what its sandbox prints."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from workbenchx import errors, ports
from workbenchx.planner import model
from workbenchx.store import reads

SERVING = frozenset({"create", "replace"})
_POLL_SECONDS = 0.2
_LIVING = frozenset({"created", "running"})


async def part(
    known: reads.Reads,
    sandboxes: Mapping[str, ports.SandboxProvider],
    run: Mapping[str, Any],
    offset: int,
    *,
    wait: float,
) -> ports.LogPart:
    """The output of a run from `offset` on, as `ports.Access.log`.

    Raises:
        errors.Stalled: reason SandboxMissing: a service's output went with its sandbox.
    """
    if run["operation"] not in SERVING:
        return await _recorded(known, str(run["run_id"]), offset, wait)
    provider, name = sandboxes.get(str(run["provider"])), run["external_id"]
    status = await provider.status(name) if provider and name else None
    if provider is None or status is None:
        raise errors.Stalled(
            f"the sandbox of run {run['run_id']} is gone, and its output with it",
            reason="SandboxMissing",
        )
    return await _printing(provider, status, offset, wait)


async def _recorded(known: reads.Reads, run_id: str, offset: int, wait: float) -> ports.LogPart:
    loop = asyncio.get_running_loop()
    give_up = loop.time() + wait
    while True:
        # The state first: what was printed before the end is recorded before the end.
        ended = not model.ExecutionState((await known.run(run_id))["state"]).open
        if data := await known.log(run_id, offset):
            return ports.LogPart(data, offset + len(data), ended=False)
        if ended or loop.time() >= give_up:
            return ports.LogPart(b"", offset, ended)
        await asyncio.sleep(min(_POLL_SECONDS, max(0.0, give_up - loop.time())))


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
