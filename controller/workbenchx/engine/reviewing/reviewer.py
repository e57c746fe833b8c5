"""The thin shell: asks forges what is open, judges what was not judged yet, says what was not said yet.

One worker tells one Source's forge at a time. The poll is the truth, a webhook only makes it come sooner. What is to be said
is in the database before it is said, and that it was said afterwards: whoever dies between the two leaves work that the next
one does again, and a forge keeps one status and one comment however often it is told the same.
"""

import asyncio
import contextlib
import dataclasses
import datetime
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol

from workbenchx import errors, ports
from workbenchx.api import quantities
from workbenchx.engine import failpoints, landing, patience
from workbenchx.engine.reviewing import changing, judging, telling, wording
from workbenchx.planner import model
from workbenchx.planner import plan as planner

LOG = logging.getLogger(__name__)
LEASE_SECONDS = 60.0
AT_ONCE = 4
_IDLE_SECONDS = 30.0
_BURST_SECONDS = 0.2
_SOON_SECONDS = 5.0
_TOLD_SECONDS = 20.0
_WORLD_SECONDS = 120.0
_MOST_REFUSED = 20

Forges = Callable[[ports.Reviewable], Awaitable[ports.Forge]]


class Store(ports.Store, ports.Reviews, Protocol):
    """What the reviewer needs of the database."""


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """`environment` is in every context; `link` makes a plan's id the address of its page, where there is one."""

    environment: str
    policy: model.Policy
    link: Callable[[str], str | None] = lambda _: None


@dataclasses.dataclass(frozen=True, slots=True)
class _Base:
    """What all pull requests of one look are judged against."""

    commit: str
    target: str
    world: model.World
    plan: model.Plan
    epochs: str


@dataclasses.dataclass(frozen=True, slots=True)
class _Answer:
    """What a pull request says, and what that would do."""

    pull: ports.Pull
    change: changing.Change
    judged: judging.Judged


class Reviewer:
    """Tells the forges of all Sources, as one of any number of workers."""

    def __init__(
        self,
        store: Store,
        changes: changing.Changes,
        forges: Forges,
        settings: Settings,
        *,
        clock: ports.Clock,
        name: str,
    ) -> None:
        self._store = store
        self._changes = changes
        self._forges = forges
        self._settings = settings
        self._clock = clock
        self._name = name
        self._teller = telling.Teller(store, changes, settings.environment, settings.policy, clock)

    async def serve(self, changes: Callable[[], AsyncIterator[object]]) -> None:
        """Look whenever something changed or is due, until cancelled."""
        wake = asyncio.Event()
        listening = asyncio.create_task(patience.wake(changes, wake))
        try:
            while True:
                wake.clear()
                pause = _IDLE_SECONDS
                with patience.database_pauses():
                    await self.look()
                    due = await self._store.next_review()
                    known = (due, self._teller.put_off())
                    pause = min(_IDLE_SECONDS, *(each + 0.01 for each in known if each is not None))
                await _rest(wake, pause)
        finally:
            listening.cancel()

    async def look(self) -> int:
        """Look once at each Source that is due; how many."""
        due = await self._store.due_reviews(self._name, lease=LEASE_SECONDS, limit=AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for one in due:
                group.create_task(self._one(one))
        return len(due)

    async def _one(self, due: ports.DueReview) -> None:
        keeping = asyncio.create_task(self._keep(due.source.source))
        try:
            with patience.database_pauses():
                await self._looked(due)
        finally:
            keeping.cancel()

    async def _keep(self, source: str) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            with patience.database_pauses():
                await self._store.keep_review(self._name, source, lease=LEASE_SECONDS)

    async def _looked(self, due: ports.DueReview) -> None:
        """One look, and when the next one is."""
        source, message, slow = due.source, "", False
        pause = _interval(source) if due.polls else None
        try:
            told = self._just_told(due)
            with patience.bugs_told(f"forge of {source.source}"):
                await self._all_of(due, await self._forges(source), told=told)
            pause = _SOON_SECONDS if told and due.polls else pause
        except errors.Conflict as problem:
            LOG.info("%s", problem.message)
            return
        except errors.Waiting as problem:
            if problem.reason == "DatabaseUnavailable":
                raise
            message, pause, slow = problem.message, max(problem.retry_after, 1.0), True
        except errors.Stalled as problem:
            message, pause, slow = problem.message, _interval(source), True
        if message:
            LOG.warning("forge of %s: %s", source.source, message)
        await self._store.end_review(self._name, due, pause=pause, message=message, slow=slow)

    async def _all_of(self, due: ports.DueReview, forge: ports.Forge, *, told: bool) -> None:
        """The commits, then the pull requests. What the forge refuses of one holds up no other, and is raised at the end."""
        refused: list[errors.Stalled] = []
        try:
            await self._teller.tell(self._name, due.source, forge)
        except errors.Stalled as problem:
            refused.append(problem)
        if due.polls:
            refused += await self._pulls(due.source, forge, told=told)
        if refused:
            raise refused[0]

    def _just_told(self, due: ports.DueReview) -> bool:
        """Forges send a webhook before their API knows of what it tells."""
        if due.asked_at is None:
            return False
        return (self._clock.now() - due.asked_at).total_seconds() < _TOLD_SECONDS

    async def _pulls(
        self, source: ports.Reviewable, forge: ports.Forge, *, told: bool
    ) -> list[errors.Stalled]:
        """Review what is open; what was refused. `told`: just now somebody said that there is something new."""
        target = source.branch or await forge.default_branch()
        pulls = await forge.open_pulls(target=target)
        if not pulls:
            return []
        base = await self._changes.tip(source, target)
        epochs = await self._store.epochs(source)
        known = await self._store.reviews(source.source)
        lately = self._clock.now() - datetime.timedelta(seconds=_WORLD_SECONDS)
        todo = [
            pull for pull in pulls if not _done(known.get(pull.number), pull, base, epochs, lately)
        ]
        if not todo:
            return []
        ground = await self._ground(base, target, epochs)
        refused: list[errors.Stalled] = []
        for pull in sorted(todo, key=lambda pull: pull.number):
            try:
                with patience.bugs_told(f"pull request {pull.number} of {source.source}"):
                    old = known.get(pull.number)
                    await self._review(source, forge, ground, pull, old, told=told)
            except errors.Stalled as problem:
                LOG.warning("pull request %s: %s", pull.number, problem.message)
                refused.append(problem)
                if len(refused) == _MOST_REFUSED:
                    break
        return refused

    async def _review(
        self,
        source: ports.Reviewable,
        forge: ports.Forge,
        ground: _Base,
        pull: ports.Pull,
        old: ports.Review | None,
        *,
        told: bool,
    ) -> None:
        """Judge one and tell it."""
        answer = await self._answer(source, pull, ground)
        if answer.judged.unread and told:
            LOG.info("pull request %s: %s", pull.number, answer.judged.unread)
            return  # perhaps git is not as far as the forge: it is tried again soon
        await self._tell(source, forge, ground, answer, old)

    async def _answer(self, source: ports.Reviewable, pull: ports.Pull, ground: _Base) -> _Answer:
        """Read and judge it. One that cannot be read holds up no other."""
        try:
            known = judging.known(ground.world, source)
            found = await self._changes.change(source, pull, ground.commit, known)
        except errors.Stalled as problem:
            return _Answer(pull, changing.Change(""), judging.Judged(None, unread=problem.message))
        judged = await asyncio.to_thread(judging.judge, ground.world, ground.plan, source, found)
        return _Answer(pull, found, judged)

    async def _ground(self, base: str, target: str, epochs: str) -> _Base:
        world = await self._store.world(now=self._clock.now(), policy=self._settings.policy)
        world = landing.owned(world, await self._store.owners())
        before = await asyncio.to_thread(planner.plan, world)
        return _Base(base, target, world, before, epochs)

    async def _tell(
        self,
        source: ports.Reviewable,
        forge: ports.Forge,
        ground: _Base,
        answer: _Answer,
        old: ports.Review | None,
    ) -> None:
        """Write down what is to be said, say it unless it was said, write down that it was."""
        pull, judged = answer.pull, answer.judged
        said = self._said(source, pull, ground, judged)
        again = old.again if old else ""
        review = ports.Review(
            number=pull.number,
            head=pull.head,
            base=ground.commit,
            epochs=ground.epochs,
            tree=answer.change.tree,
            verdict=said.verdict.value,
            title=said.title,
            digest=wording.anew(said.digest, again),
            posted=old.posted if old else "",
            destroys=_destroys(judged.plan),
            again=again,
        )
        plan = judged.plan if judged.plan and judged.plan.steps else None
        await self._store.record_review(self._name, source.source, review, plan)
        failpoints.reach("review.recorded")
        if review.posted != review.digest:
            await self._post(source, forge, answer, said, review.digest)
            failpoints.reach("review.said")
            await self._store.review_posted(
                self._name, source.source, pull.number, review.digest, again=again
            )

    def _said(
        self,
        source: ports.Reviewable,
        pull: ports.Pull,
        ground: _Base,
        judged: judging.Judged,
    ) -> wording.Said:
        context = wording.context(self._settings.environment, source.name)
        link = self._settings.link(judged.plan.id) if judged.plan and judged.plan.steps else None
        return wording.of(judged, wording.Place(context, pull.head, ground.target, link))

    async def _post(
        self,
        source: ports.Reviewable,
        forge: ports.Forge,
        answer: _Answer,
        said: wording.Said,
        name: str,
    ) -> None:
        """A report with sentences at the lines; where there is no place for them, the one comment says them."""
        pull, judged = answer.pull, answer.judged
        context = wording.context(self._settings.environment, source.name)
        report = ports.Report(
            commit=pull.head,
            context=context,
            verdict=said.verdict,
            title=said.title,
            summary=said.body,
            annotations=said.annotations,
            url=self._settings.link(judged.plan.id) if judged.plan and judged.plan.steps else None,
            external_id=name,
        )
        if not forge.annotates:
            await forge.say(pull.number, context, said.body)
            failpoints.reach("review.commented")
        await forge.report(report)


def _done(
    old: ports.Review | None,
    pull: ports.Pull,
    base: str,
    epochs: str,
    lately: datetime.datetime,
) -> bool:
    """Whether this very question was answered and the answer was said.

    What others declare changes all the time in a large installation: for that it is asked again now and then.
    """
    if old is None or (old.head, old.base, old.posted) != (pull.head, base, old.digest):
        return False
    if old.epochs == epochs:
        return True
    own = epochs.partition(ports.BESIDE)[0]
    new = old.reviewed_at is not None and old.reviewed_at > lately
    return new and old.epochs.partition(ports.BESIDE)[0] == own


def _destroys(plan: model.Plan | None) -> tuple[model.Key, ...]:
    """What a reader of the plan was told will go."""
    steps: Sequence[model.Step] = plan.steps if plan else ()
    return tuple(sorted({step.subject for step in steps if step.destructive}))


def _interval(source: ports.Reviewable) -> float:
    seconds = quantities.duration(str(source.spec.get("interval") or "60s"))
    return seconds * random.uniform(0.9, 1.1)  # noqa: S311 - jitter, not a secret


async def _rest(wake: asyncio.Event, pause: float) -> None:
    """Until something changed, or for so long; changes come in bursts."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(pause):
            await wake.wait()
            await asyncio.sleep(_BURST_SECONDS)
