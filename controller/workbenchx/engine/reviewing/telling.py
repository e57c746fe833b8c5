"""What has come of the commit in force, told at that commit until it is settled; and what that commit may destroy."""

import asyncio
import dataclasses
import datetime
import logging
import time
from collections.abc import Sequence
from typing import Protocol

from workbenchx import errors, ports
from workbenchx.engine import failpoints
from workbenchx.engine.reviewing import changing, standing, wording
from workbenchx.planner import model
from workbenchx.planner import plan as planner

LOG = logging.getLogger(__name__)
_BETWEEN_SECONDS = 30.0
_SHARE = 10.0
_LONGEST_REST = 20.0
_MOST_ALIKE = 10


class Store(ports.Store, ports.Reviews, Protocol):
    """What is needed of the database."""


class Teller:
    """Tells commits. Whoever holds the Source calls it."""

    def __init__(
        self,
        store: Store,
        changes: changing.Changes,
        environment: str,
        policy: model.Policy,
        clock: ports.Clock,
    ) -> None:
        self._store = store
        self._changes = changes
        self._environment = environment
        self._policy = policy
        self._clock = clock
        self._rests: dict[str, float] = {}

    def put_off(self) -> float | None:
        """Seconds until the planner may be asked again of a commit that is not settled; None: there is none. What is due is told once."""
        now = time.monotonic()
        left = [until - now for until in self._rests.values()]
        self._rests = {source: until for source, until in self._rests.items() if until > now}
        return max(0.0, min(left)) if left else None

    async def tell(self, worker: str, source: ports.Reviewable, forge: ports.Forge) -> None:
        """Bind the commit in force to its review, say how it stands, and give older ones their last word."""
        commit = await self._store.commit_in_force(source.source)
        if commit is None:
            return
        before = await self._store.bound_commit(source.source)
        if before != commit:
            await self._bind(worker, source, forge, commit, before)
        reports = await self._store.commit_reports(source.source, commit)
        context = wording.context(self._environment, source.name)
        if not any((each.commit, each.context) == (commit, context) for each in reports):
            number = await self._number(source, forge, commit, before)
            await self._store.begin_report(
                worker, source.source, commit=commit, context=context, number=number
            )
            reports = await self._store.commit_reports(source.source, commit)
        await self._say_all(worker, source, forge, reports, commit)

    async def _say_all(
        self,
        worker: str,
        source: ports.Reviewable,
        forge: ports.Forge,
        reports: Sequence[ports.CommitReport],
        commit: str,
    ) -> None:
        """A commit that the forge does not know any more, as after a force-push, holds up no other.

        Where it takes a word on another one, the word that it refuses is the last that is tried on a superseded one.
        """
        refused: list[tuple[ports.CommitReport, errors.Stalled]] = []
        heard = False
        for report in reports:
            if report.ended_at is not None:
                continue
            over = report.commit != commit
            outcome = _over(report, commit) if over else await self._outcome(source.source)
            try:
                if outcome is not None:
                    heard |= await self._say(worker, source, forge, report, outcome, last=over)
            except errors.Stalled as problem:
                refused.append((report, problem))
        for report, why in refused:
            if not heard or report.commit == commit:
                raise why
            LOG.warning("commit %s: its last word is not said: %s", report.commit, why.message)
            await self._store.reported(
                worker, source.source, report, digest=report.posted, ended=True
            )

    async def _outcome(self, source: str) -> standing.Outcome | None:
        """How it stands. All is well only where the planner has nothing to do for it, and held is only what it holds now.

        Asking the planner takes a tenth of the time at most, however often something changes; None: it is not asked yet.
        """
        rows = await self._store.source_standings(source)
        found = standing.of(rows)
        held = standing.held(rows)
        if found.verdict is not ports.Verdict.SUCCESS and not held:
            self._rests.pop(source, None)
            return found
        began = time.monotonic()
        if began < self._rests.get(source, began):
            return None
        world = await self._store.world(now=self._clock.now(), policy=self._policy)
        plan = await asyncio.to_thread(planner.plan, world)
        ours = {row.key for row in rows}
        holds = {step.subject for step in plan.steps if not step.executable}
        busy = any(step.subject in ours for step in plan.steps if step.executable)
        outcome = standing.of(rows, busy=busy, free=held - holds)
        self._rest(source, began, settled=outcome.verdict is ports.Verdict.SUCCESS)
        return outcome

    def _rest(self, source: str, began: float, *, settled: bool) -> None:
        self._rests.pop(source, None)
        if not settled:
            now = time.monotonic()
            self._rests[source] = now + min(_LONGEST_REST, (_SHARE - 1) * (now - began))

    async def _say(
        self,
        worker: str,
        source: ports.Reviewable,
        forge: ports.Forge,
        report: ports.CommitReport,
        outcome: standing.Outcome,
        *,
        last: bool,
    ) -> bool:
        """Only what is new, and news of what only goes on not too often: a forge takes a thousand words a commit. Whether it took one."""
        ended = last or outcome.verdict is ports.Verdict.SUCCESS
        digest = wording.anew(outcome.digest, report.again)
        if report.posted == digest and not ended:
            return False
        if self._too_soon(report, outcome) and not ended:
            return False
        if report.posted != digest:
            if not (last or report.posted or outcome.verdict is ports.Verdict.PENDING):
                await self._begin(worker, source, forge, report)
            if report.number is not None and not forge.annotates:
                marker = f"{report.context}/after"
                await forge.say(report.number, marker, _comment(report, outcome))
                failpoints.reach("report.commented")
            await forge.report(_report(report, outcome))
            failpoints.reach("report.sent")
        said = dataclasses.replace(report, verdict=outcome.verdict.value)
        await self._store.reported(worker, source.source, said, digest=digest, ended=ended)
        return report.posted != digest

    async def _begin(
        self,
        worker: str,
        source: ports.Reviewable,
        forge: ports.Forge,
        report: ports.CommitReport,
    ) -> None:
        """Whatever came of it at once: who watches the commit sees it pending first."""
        outcome = standing.begun()
        await forge.report(_report(report, outcome))
        failpoints.reach("report.begun")
        said = dataclasses.replace(report, verdict=outcome.verdict.value)
        digest = wording.anew(outcome.digest, report.again)
        await self._store.reported(worker, source.source, said, digest=digest, ended=False)

    def _too_soon(self, report: ports.CommitReport, outcome: standing.Outcome) -> bool:
        if report.posted_at is None or report.verdict != outcome.verdict.value:
            return False
        pause = datetime.timedelta(seconds=_BETWEEN_SECONDS)
        return self._clock.now() - report.posted_at < pause

    async def _bind(
        self,
        worker: str,
        source: ports.Reviewable,
        forge: ports.Forge,
        commit: str,
        before: str | None,
    ) -> None:
        """Whose merge the commit is, and what was said that it destroys: not what was judged and never shown. Before anything was reviewed, nothing binds."""
        reviews = await self._store.reviews(source.source)
        number = await self._number(source, forge, commit, before) if reviews else None
        review = reviews.get(number) if number is not None else None
        shown = review is not None and review.posted == review.digest
        destroys = None if number is None else (review.destroys if review and shown else ())
        await self._store.bind(
            worker, source.source, commit=commit, number=number, destroys=destroys
        )
        failpoints.reach("review.bound")

    async def _number(
        self, source: ports.Reviewable, forge: ports.Forge, commit: str, before: str | None
    ) -> int | None:
        """The pull request that brought a commit: as the forge says, else by what the Source's folder is after it.

        One that was merged as another commit did not bring this one, though a revert of what came later leaves the folder as
        that one did; unless it is `before`, the commit that was bound last: then nothing has changed since.
        """
        pull = await forge.pull_of_commit(commit)
        if pull is not None:
            return pull.number
        tree = await self._changes.tree(source, commit)
        reviews = await self._store.reviews(source.source)
        alike = [each.number for each in reviews.values() if tree and each.tree == tree]
        for number in sorted(alike, reverse=True)[:_MOST_ALIKE]:
            found = await forge.pull(number)
            if found is not None and found.merged in {None, commit, before}:
                return number
        return None


def _over(report: ports.CommitReport, commit: str) -> standing.Outcome:
    """The last word on a commit that is not in force: one that somebody wants anew may have been settled before."""
    if report.verdict == ports.Verdict.SUCCESS.value:
        return standing.past(commit)
    return standing.superseded(commit)


def _comment(report: ports.CommitReport, outcome: standing.Outcome) -> str:
    heading = f"### WorkbenchX: after the merge ({outcome.verdict.value})"
    return wording.fitted(
        [heading, "", f"`{report.context}`: commit {report.commit[:12]}", "", outcome.summary]
    )


def _report(report: ports.CommitReport, outcome: standing.Outcome) -> ports.Report:
    return ports.Report(
        commit=report.commit,
        context=report.context,
        verdict=outcome.verdict,
        title=outcome.title,
        summary=outcome.summary,
        external_id=wording.anew(outcome.digest, report.again),
    )
