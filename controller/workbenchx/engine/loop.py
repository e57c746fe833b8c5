"""The loop: one leader loads the world, plans, and records what follows, whenever something changed.

Level-triggered: a pass reads everything it needs and assumes nothing of the pass before. What changes in a burst is
one pass.
"""

import asyncio
import contextlib
import dataclasses
import datetime
import functools
import logging
import math
import time
from collections.abc import Callable, Collection

from workbenchx import errors, ports
from workbenchx.api import registry
from workbenchx.engine import (
    batches,
    failpoints,
    ids,
    mirror,
    patience,
    reproduction,
    touches,
    tracing,
)
from workbenchx.planner import index, model, parts
from workbenchx.planner import plan as planner

LOG = logging.getLogger(__name__)
LEADER_SECONDS = 10.0
RENEW_SECONDS = 3.0
SETTLE_SECONDS = 0.02

_PASSING = frozenset({"Retrying", "Fetching"})
_IDS = batches.Ids(run=ids.run_id, resource=ids.resource_uid)


@dataclasses.dataclass(frozen=True, slots=True)
class Pass:
    """One look at the world and what follows from it. `wrote`: it was recorded by this pass. `settled`: see DESIGN 2.

    `reach`: how far a change would reach, where somebody asked.
    """

    world: model.World
    plan: model.Plan
    batch: ports.Batch
    wrote: bool = False
    reach: parts.Reach | None = None

    @property
    def settled(self) -> bool:
        """Nothing left to do, and nothing under way but what is meant to run on.

        A pass that has just written rows alone, of kinds that nothing is executed for, is the last one: applying a
        plan leaves an empty plan (the planner's first law). Anything else is looked at once more.
        """
        if self.wrote and not self.rows_alone:
            return False
        return (
            (self.batch.empty or self.wrote)
            and not any(step.operation for step in self.plan.steps if step.executable)
            and not any(self._awaited(execution) for execution in self.world.executions)
            and not any(wait.reason in _PASSING for wait in self.plan.waits)
            and not reproduction.ordered(self.world)
        )

    @property
    def rows_alone(self) -> bool:
        """Whether it writes nothing but rows of kinds that nothing is executed for."""
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

    Where whoever writes in this process tells (`told`), a pass judges no more of the world than what was touched
    reaches, as long as that is row-only; all else, and what others write of any other kind than a Source, is a pass over the whole.

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
        told: bool = False,
    ) -> None:
        """`looks`: a follower looks at each change too; else it only waits for its turn. `told`: by `touch`."""
        self._store = store
        self._clock = clock
        self._policy = policy
        self._holder = holder
        self._reading = reading
        self._looks = looks
        self._told = told
        self._touches = touches.Touches()
        self._due: datetime.datetime | None = None
        self._wake = asyncio.Event()
        self.epoch: int | None = None
        self.turned = self.reached = time.monotonic()

    def wake(self) -> None:
        """Look soon; the database's NOTIFY does the same."""
        self.touch(None)

    def touch(self, keys: Collection[model.Key] | None) -> None:
        """These have new documents in the database; None: anything may have changed."""
        self._touches.add(keys)
        self._wake.set()

    async def look(self) -> Pass:
        """Load and plan, write nothing."""
        begun = time.monotonic()
        seen = _planned(await self._world(), told=self._told)
        self._touches.looked(seen.reach, time.monotonic() - begun)
        return seen

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

    async def _look_at_part(self) -> Pass | None:
        """Load and plan what was touched and all that it reaches; None: only a look at the whole can tell."""
        judged = self._touches.take()
        if judged is None:
            return None
        world = await self._store.part(judged, now=self._clock.now(), policy=self._policy)
        looked_up = index.build(world)
        plan = planner.of(looked_up)
        if not parts.sound(looked_up, plan):
            return None
        self._touches.judged(looked_up)
        return Pass(world, plan, batches.build(world, plan, _IDS))

    async def _world(self) -> model.World:
        return await self._store.world(now=self._clock.now(), policy=self._policy)

    async def reconcile(self) -> Pass:
        """One pass: load, plan, record.

        Raises:
            errors.Conflict: somebody else leads now; nothing was written.
        """
        with tracing.step("pass"):
            return await self._settle(await self._next())

    async def _next(self) -> Pass:
        """What is to be done now. The reading that was handed over is recorded first."""
        seen = await self.look_ahead(self._reading) if self._reading else None
        self._reading = None
        return seen or await self._look_at_part() or await self.look()

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
            await self._rest(await self._turn(on_pass))

    async def _turn(self, on_pass: Callable[[Pass], None]) -> float:
        """One pass; seconds until the next one, should nothing change. It ends here: a world is not kept while we rest."""
        self._wake.clear()
        self.turned = time.monotonic()
        with patience.database_pauses():
            done = await self._one()
            self.reached = time.monotonic()
            if done is not None:
                on_pass(done)
                return self._pause(done)
        self._touches.add(None)
        return self._touches.patience

    async def _rest(self, pause: float) -> None:
        """Until something changed, or for `pause` seconds; then time may have changed anything."""
        try:
            async with asyncio.timeout(pause):
                await self._wake.wait()
                if not self._touches.narrow:
                    await asyncio.sleep(SETTLE_SECONDS)
        except TimeoutError:
            self._touches.add(None)

    def _pause(self, done: Pass) -> float:
        """Seconds until time alone changes the plan, or what was written must be looked at."""
        part = done.world.part is not None
        if done.wrote and not (self._told and (part or done.rows_alone)):
            return 0.0
        if not part:
            self._due = min((wait.until for wait in done.plan.waits if wait.until), default=None)
        left = (self._due - self._clock.now()).total_seconds() if self._due else math.inf
        return max(0.05, min(self._touches.patience, left))

    async def _one(self) -> Pass | None:
        if self.epoch is None:
            self._touches.add(None)
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
        changes = functools.partial(self._store.changes, others=self._told)
        async for changed in patience.surviving(changes):
            self._touches.add_kinds(changed if self._told else None)
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


def _planned(world: model.World, *, told: bool = False) -> Pass:
    looked_up = index.build(world)
    plan = planner.of(looked_up)
    reach = parts.Reach(looked_up) if told else None
    return Pass(world, plan, batches.build(world, plan, _IDS), reach=reach)
