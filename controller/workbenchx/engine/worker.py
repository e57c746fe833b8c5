"""The worker: claims runs, holds their leases, performs them, records how they ended.

Any number of workers share the queue. A worker that dies leaves leases that expire; the next holder takes the run
over where the provider says it is, and never starts the user's command again.
"""

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import Iterator

from workbenchx import errors, ports
from workbenchx.api import reasons
from workbenchx.engine import (
    batches,
    context,
    failpoints,
    operations,
    outcomes,
    patience,
    removed,
    tracing,
)
from workbenchx.planner import model

LOG = logging.getLogger(__name__)
LEASE_SECONDS = 15.0
BEAT_SECONDS = 4.0
SOON_SECONDS = 0.5
LOOK_SECONDS = 10.0
_BUG_DELAY = 15.0
_LATER = 0.05
_PROVISIONING = frozenset({"SandboxUnavailable"})
_NAME_TAKEN = (
    "NameTaken"  # at the provider, by what is not this run's: that does not pass by itself
)


@dataclasses.dataclass(slots=True)
class Meters:
    """What a worker tells of itself: counts since it began, and when it last turned round and last had the database.

    Times are of `time.monotonic`; `reached` is None until the database answered once.
    """

    slots: int
    held: int = 0
    performed: int = 0
    left: int = 0
    turned: float = dataclasses.field(default_factory=time.monotonic)
    reached: float | None = None


class Worker:
    """One worker of this process. `name` must be unique among living workers."""

    def __init__(self, surroundings: context.Context, *, name: str, slots: int) -> None:
        self._context = surroundings
        self._name = name
        self._slots = slots
        self._held: dict[str, tuple[context.Held, asyncio.Task[None]]] = {}
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        self._gone: list[tuple[str, str]] = []
        self.meters = Meters(slots)

    async def serve(self) -> None:
        """Work until cancelled; then give back what is held (programs live on under their supervisors)."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._beat())
            try:
                await self._claim_for_ever()
            finally:
                await self._let_go()

    async def _listen(self) -> None:
        async for _ in patience.surviving(self._context.store.changes):
            self._wake.set()
            self._changed.set()

    async def _claim_for_ever(self) -> None:
        while True:
            self._wake.clear()
            with patience.database_pauses():
                await self._claim()
                self.meters.reached = time.monotonic()
            self.meters.turned = time.monotonic()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wake.wait()

    async def _claim(self) -> None:
        while free := self._slots - len(self._held):
            claimed = await self._context.store.claim(self._name, limit=free, lease=LEASE_SECONDS)
            failpoints.reach("run.claimed")
            for run in claimed:
                self._hold(run)
            if len(claimed) < free:
                return

    def _hold(self, run: ports.ClaimedRun) -> None:
        held = context.Held(self._context, run)
        task = asyncio.create_task(self._perform(held), name=f"run {run.run_id}")
        self._held[run.run_id] = (held, task)
        self.meters.held = len(self._held)

    async def _perform(self, held: context.Held) -> None:
        try:
            with tracing.run(held.run):
                gone = await perform(held)
            if gone:
                self._gone.append(gone)
            self.meters.performed += 1
        except asyncio.CancelledError:
            raise
        except errors.WorkbenchError as problem:
            self.meters.left += 1
            LOG.warning("run %s: left to the next holder: %s", held.run.run_id, problem.message)
        finally:
            self._held.pop(held.run.run_id, None)
            self.meters.held = len(self._held)
            self._wake.set()
            for pause in held.pauses:
                asyncio.get_running_loop().call_later(pause + _LATER, self._wake.set)

    async def _beat(self) -> None:
        """Renew in time; and look soon after a change, which may be that a person wants a run to stop."""
        while True:
            await asyncio.sleep(SOON_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT_SECONDS):
                    await self._changed.wait()
            self._changed.clear()
            with patience.database_pauses():
                await self._renew()
                await self._tell_gone()

    async def _renew(self) -> None:
        if not self._held:
            return
        pairs = [(run_id, held.run.fencing) for run_id, (held, _) in self._held.items()]
        beat = await self._context.store.beat(self._name, pairs, lease=LEASE_SECONDS)
        for run_id, _ in pairs:
            if run_id not in self._held:
                continue
            held, task = self._held[run_id]
            if run_id not in beat.mine:
                task.cancel()
            elif run_id in beat.cancel:
                held.cancel.set()

    async def _let_go(self) -> None:
        tasks = [task for _, task in self._held.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(errors.WorkbenchError):
            await self._tell_gone()
            await self._context.store.release(self._name)

    async def _tell_gone(self) -> None:
        """The ledger learns of removed sandboxes many at a time; a look finds those that nobody lived to tell of."""
        gone, self._gone = self._gone, []
        for adapter in sorted({adapter for adapter, _ in gone}):
            names = [name for where, name in gone if where == adapter]
            await self._context.store.record_objects(adapter, names, state="gone")


async def perform(held: context.Held) -> tuple[str, str] | None:
    """Perform one held run to its recorded end; (adapter, name) of the sandbox that was removed after it."""
    try:
        done = await _operate(held)
    except errors.Stalled as problem:
        told = await removed.explained(held, problem)
        done = context.Done(outcomes.failed(told.reason, told.message))
    except errors.Waiting as problem:
        if not _too_late(held, problem):
            await _requeue(held, problem.reason, problem.message, problem.retry_after)
            return None
        done = context.Done(outcomes.timed_out(problem.message), leaves=_leaves_behind(held))
    except errors.Conflict as problem:
        if problem.reason != _NAME_TAKEN:
            LOG.info("run %s: dropped: %s", held.run.run_id, problem.message)
            return None
        done = context.Done(outcomes.failed(reasons.Reason.CONFLICT, problem.message))
    except Exception as bug:
        LOG.exception("run %s: a bug in WorkbenchX", held.run.run_id)
        name = f"internal error: {type(bug).__name__}"
        await _requeue(held, "InternalError", name, _BUG_DELAY)
        return None
    closing = asyncio.ensure_future(_close(held, done))
    try:
        return await asyncio.shield(closing)
    except asyncio.CancelledError:
        return await closing  # whoever is told to stop first puts away what has ended


def _too_late(held: context.Held, problem: errors.Waiting) -> bool:
    """Whether it waited for its sandbox until its deadline. A provider that cannot be called is nobody's time."""
    if held.begun.is_set() or held.run.started or problem.reason not in _PROVISIONING:
        return False
    return held.context.clock.now() >= held.run.deadline


def _leaves_behind(held: context.Held) -> str | None:
    return held.sandbox if held.run.operation in batches.MAKING else None


async def _close(held: context.Held, done: context.Done) -> tuple[str, str] | None:
    """Record the end, then remove the sandbox that it leaves."""
    accepted = await held.context.store.finish(held.run.run_id, held.run.fencing, done.outcome)
    failpoints.reach("run.finished")
    tracing.note(run_state=done.outcome.state, run_reason=done.outcome.reason)
    if done.outcome.state is not model.ExecutionState.SUCCEEDED:
        tracing.failed(done.outcome.reason)
    if not accepted or done.leaves is None:
        return None
    with tracing.step("provider delete"):
        await held.provider.delete(done.leaves)
    failpoints.reach("run.deleted")
    return held.provider.adapter, done.leaves


async def _operate(held: context.Held) -> context.Done:
    """The operation's end; of several errors that came together, the one that says most."""
    perform_operation = operations.BY_NAME.get(held.run.operation)
    if perform_operation is None:
        raise errors.Stalled(f'run: operation "{held.run.operation}" is unknown to this worker')
    await held.acquainted()
    try:
        return await perform_operation(held)
    except ExceptionGroup as group:
        raise telling(group) from group


_RANK = (errors.Conflict, errors.Stalled, errors.Waiting)


def telling(group: ExceptionGroup[Exception]) -> Exception:
    """Of errors that came together, the one that decides what to do next; a bug outranks all."""
    return min(_leaves(group), key=_rank)


def _rank(error: Exception) -> int:
    ranks = [index for index, kind in enumerate(_RANK, 1) if isinstance(error, kind)]
    return ranks[0] if ranks else 0


def _leaves(group: ExceptionGroup[Exception]) -> Iterator[Exception]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


async def _requeue(held: context.Held, reason: str, message: str, delay: float) -> None:
    tracing.note(run_state="requeued", run_reason=reason)
    held.pauses.append(delay)
    await held.context.store.requeue(
        held.run.run_id, held.run.fencing, reason=reason, message=message, delay=delay
    )
