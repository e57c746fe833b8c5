"""One process at work: the loop, the worker and the observer together, until what was asked for is reached."""

import asyncio
import contextlib
import dataclasses
import gc
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from typing import TYPE_CHECKING

from workbenchx import ports
from workbenchx.engine import batches, following, housekeeping, loop, observer, prober, worker
from workbenchx.planner import model

if TYPE_CHECKING:
    from workbenchx.engine import indexer


@dataclasses.dataclass(frozen=True, slots=True)
class Progress:
    """What a watcher sees after each pass."""

    last: loop.Pass
    leading: bool

    @property
    def standings(self) -> ports.Standings:
        """How each resource stood before the pass."""
        return standings(self.last.world.recorded)


def standings(recorded: Iterable[model.Recorded]) -> dict[model.Key, ports.Standing]:
    """State, Ready, reason and message of each resource."""
    return {row.key: (row.state, row.ready, row.reason, row.message) for row in recorded}


@dataclasses.dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one process."""

    engine: loop.Engine
    worker: worker.Worker
    observer: observer.Observer
    housekeeper: housekeeping.Housekeeper
    prober: prober.Prober
    indexer: "indexer.Indexer | None" = None
    follower: following.Follower | None = None
    changes: Callable[[], AsyncIterator[object]] | None = None
    telling: Callable[[], Coroutine[None, None, None]] | None = None
    fixbot: Callable[[], Coroutine[None, None, None]] | None = None


async def until(
    parts: Parts,
    reached: Callable[[loop.Pass], bool],
    progress: Callable[[Progress], None],
    stop: asyncio.Event,
) -> loop.Pass | None:
    """Work until a pass satisfies `reached` or `stop` is set; the last pass seen.

    Programs that run go on under their supervisors; leases and leadership are given back.
    """
    finished = asyncio.Event()
    last: list[loop.Pass] = []

    def on_pass(done: loop.Pass) -> None:
        last[:] = [done]
        progress(Progress(done, leading=parts.engine.epoch is not None))
        if parts.indexer:
            parts.indexer.wake()
        if reached(done):
            finished.set()
            working.cancel()  # before the engine begins to read the world once more
        elif not done.wrote:
            gc.enable()  # from here on this process waits: commands that read files collect no garbage before

    working = asyncio.create_task(_work(parts, on_pass))
    endings = [asyncio.create_task(finished.wait()), asyncio.create_task(stop.wait())]
    try:
        await asyncio.wait([working, *endings], return_when=asyncio.FIRST_COMPLETED)
        if working.done() and not working.cancelled():
            await working
    finally:
        for task in (working, *endings):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(working, *endings, return_exceptions=True)
    return last[0] if last else None


async def _work(parts: Parts, on_pass: Callable[[loop.Pass], None]) -> None:
    await parts.observer.observe()
    async with asyncio.TaskGroup() as group:
        group.create_task(parts.observer.serve())
        group.create_task(parts.worker.serve())
        group.create_task(parts.housekeeper.serve())
        group.create_task(parts.prober.serve())
        group.create_task(parts.engine.serve(on_pass))
        if parts.follower and parts.changes:
            group.create_task(parts.follower.serve(parts.changes))
        if parts.telling:
            group.create_task(parts.telling())
        if parts.fixbot:
            group.create_task(parts.fixbot())
        if parts.indexer:
            group.create_task(parts.indexer.serve())


def settled(done: loop.Pass) -> bool:
    """Nothing to do and nothing under way (DESIGN 2)."""
    return done.settled


def applied(done: loop.Pass) -> bool:
    """What was declared is in force; jobs may still run."""
    reconciling = any(
        execution.state.open and execution.operation not in batches.EXECUTING
        for execution in done.world.executions
    )
    return done.batch.empty and not done.plan.executable and not reconciling


def never(done: loop.Pass) -> bool:  # noqa: ARG001 - the shape of `reached`
    """Go on until stopped."""
    return False
