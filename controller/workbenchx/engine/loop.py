"""The loop: one leader loads the world, plans, and records what follows, whenever something changed.

Level-triggered: a pass reads everything it needs and assumes nothing of the pass before. What changes in a burst is
one pass.
"""

import asyncio
import contextlib
import dataclasses
import datetime
import logging
import time
from collections.abc import Callable

from workbenchx import errors, ports
from workbenchx.api import registry
from workbenchx.engine import batches, failpoints, ids, mirror, patience, reproduction
from workbenchx.planner import model
from workbenchx.planner import plan as planner

LOG = logging.getLogger(__name__)
LEADER_SECONDS = 10.0
RENEW_SECONDS = 3.0
LOOK_SECONDS = 30.0
SETTLE_SECONDS = 0.02

_IDS = batches.Ids(run=ids.run_id, resource=ids.resource_uid)


@dataclasses.dataclass(frozen=True, slots=True)
class Pass:
    """One look at the world and what follows from it. `wrote`: it was recorded by this pass. `settled`: see DESIGN 2."""

    world: model.World
    plan: model.Plan
    batch: ports.Batch
    wrote: bool = False

    @property
    def settled(self) -> bool:
        """Nothing left to do, and nothing under way but what is meant to run on.

        A pass that has just written rows alone, of kinds that nothing is executed for, is the last one: applying a
        plan leaves an empty plan (the planner's first law). Anything else is looked at once more.
        """
        if self.wrote and not self._rows_alone:
            return False
        return (
            (self.batch.empty or self.wrote)
            and not any(step.operation for step in self.plan.steps if step.executable)
            and not any(self._awaited(execution) for execution in self.world.executions)
            and not any(wait.reason == "Retrying" for wait in self.plan.waits)
            and not reproduction.ordered(self.world)
        )

    @property
    def _rows_alone(self) -> bool:
        batch = self.batch
        if batch.tombstones or batch.orders or batch.cancels or batch.applied_interventions:
            return False
        touched = {row.declared.key.kind for row in batch.rows}
        touched |= {verdict.key.kind for _, verdict in batch.verdicts}
        return all(registry.KINDS[kind].row_only for kind in touched)

    def _awaited(self, execution: model.Execution) -> bool:
        """A scheduled run under way does not keep us; everything else does."""
        return execution.state.open and execution.scheduled_for is None


class Engine:
    """The reconcile loop of one process. `reading`: declared files that its first pass records.

    `turned`: when it last began a pass; `reached`: when the database last answered; both by the monotonic clock.
    """

    def __init__(
        self,
        store: ports.Store,
        *,
        clock: ports.Clock,
        policy: model.Policy,
        holder: str,
        reading: mirror.Reading | None = None,
        looks: bool = True,
    ) -> None:
        """`looks`: a follower looks at each change too; else it only waits for its turn."""
        self._store = store
        self._clock = clock
        self._policy = policy
        self._holder = holder
        self._reading = reading
        self._looks = looks
        self._wake = asyncio.Event()
        self.epoch: int | None = None
        self.turned = self.reached = time.monotonic()

    def wake(self) -> None:
        """Look soon; the database's NOTIFY does the same."""
        self._wake.set()

    async def look(self) -> Pass:
        """Load and plan, write nothing."""
        return _planned(await self._world())

    async def look_ahead(self, reading: mirror.Reading) -> Pass | None:
        """Record a reading, and plan meanwhile for the world that it makes. None: it makes another one: look again."""
        expected = mirror.recorded(await self._world(), reading)
        planning = asyncio.create_task(asyncio.to_thread(_planned, expected))
        try:
            result = await mirror.record(self._store, reading)
        finally:
            seen = await planning
        known = expected.mirrored[mirror.EMBEDDED_SOURCE].epoch == result.epoch
        return seen if known else None

    async def _world(self) -> model.World:
        return await self._store.world(now=self._clock.now(), policy=self._policy)

    async def reconcile(self) -> Pass:
        """One pass: load, plan, record.

        Raises:
            errors.Conflict: somebody else leads now; nothing was written.
        """
        return await self._settle(await self._next())

    async def _next(self) -> Pass:
        """What is to be done now. The reading that was handed over is recorded first."""
        seen = await self.look_ahead(self._reading) if self._reading else None
        self._reading = None
        return seen or await self.look()

    async def _settle(self, seen: Pass) -> Pass:
        if seen.batch.empty:
            return seen
        failpoints.reach("settle.before")
        if self.epoch is None or not await self._store.settle(self.epoch, seen.batch):
            self.epoch = None
            raise errors.Conflict("engine: another process leads now")
        failpoints.reach("settle.after")
        return dataclasses.replace(seen, wrote=True)

    async def serve(self, on_pass: Callable[[Pass], None]) -> None:
        """Lead whenever nobody else does, until cancelled. `on_pass` sees each pass, also those of a follower."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._renew())
            try:
                await self._pass_for_ever(on_pass)
            finally:
                await self._let_go()

    async def _pass_for_ever(self, on_pass: Callable[[Pass], None]) -> None:
        while True:
            self._wake.clear()
            self.turned = time.monotonic()
            pause = LOOK_SECONDS
            with patience.database_pauses():
                done = await self._one()
                self.reached = time.monotonic()
                if done is not None:
                    on_pass(done)
                    pause = 0.0 if done.wrote else _pause(done, self._clock.now())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
                    await asyncio.sleep(SETTLE_SECONDS)

    async def _one(self) -> Pass | None:
        if self.epoch is None:
            self.epoch = await self._store.acquire_leader(self._holder, LEADER_SECONDS)
        if self.epoch is None:
            return await self._next() if self._looks else None
        try:
            return await self._lead()
        except errors.Conflict as problem:
            LOG.info("%s", problem.message)
            return await self.look() if self._looks else None

    async def _lead(self) -> Pass:
        done = await self.reconcile()
        installation = self._policy.installation
        await reproduction.carry_out(self._store, done.world, installation=installation)
        return done

    async def _listen(self) -> None:
        async for _ in patience.surviving(self._store.changes):
            self._wake.set()

    async def _renew(self) -> None:
        """Keep the lease; where another holds it, look again as soon as it may have run out."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            with patience.database_pauses():
                if self.epoch is None:
                    self._wake.set()
                elif not await self._store.renew_leader(self._holder, self.epoch, LEADER_SECONDS):
                    self.epoch = None
                else:
                    self.reached = time.monotonic()

    async def _let_go(self) -> None:
        if self.epoch is not None:
            with contextlib.suppress(errors.WorkbenchError):
                await self._store.release_leader(self._holder, self.epoch)
            self.epoch = None


def _planned(world: model.World) -> Pass:
    plan = planner.plan(world)
    return Pass(world, plan, batches.build(world, plan, _IDS))


def _pause(done: Pass, now: datetime.datetime) -> float:
    """Seconds until time alone changes the plan."""
    due = [(wait.until - now).total_seconds() for wait in done.plan.waits if wait.until]
    return max(0.05, min([LOOK_SECONDS, *due]))
