"""Pull requests and commits that are told how they stand: what the database remembers of it."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Protocol

from workbenchx.planner import model
from workbenchx.ports import sources

BESIDE = "|"
"""Between what a source declares itself and what else is declared."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reviewable(sources.Declarer):
    """A Source that names a forge."""

    @property
    def path(self) -> str:
        """The folder whose documents it applies."""
        return str(self.spec.get("path") or ".")

    @property
    def branch(self) -> str | None:
        """The branch that it follows; None: the repository's default."""
        found = self.spec.get("branch")
        return str(found) if found else None


@dataclasses.dataclass(frozen=True, slots=True)
class DueReview:
    """A Source to be looked at, held by this worker. `asked_at`: when a webhook told of something new last.

    `polls`: the forge is to be asked too; else only what has come of commits is looked at.
    """

    source: Reviewable
    asked_at: datetime.datetime | None = None
    polls: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Review:
    """The latest review of a pull request. `digest` is of what is to be said, `posted` of what was said last.

    `epochs`: what was declared when it was judged (`reviewed_at`); `destroys`: what the plan destroys, or would if it were not held.
    `again`: the wish that it is said anew; with it, what is to be said has another digest.
    """

    number: int
    head: str
    base: str
    epochs: str
    tree: str
    verdict: str
    title: str
    digest: str
    posted: str = ""
    destroys: tuple[model.Key, ...] = ()
    plan_id: str | None = None
    reviewed_at: datetime.datetime | None = None
    again: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class CommitReport:
    """What a commit was told last of what has come of it. `ended_at`: its last word was said; `again`: as of a Review."""

    commit: str
    context: str
    number: int | None
    verdict: str
    posted: str
    posted_at: datetime.datetime | None
    ended_at: datetime.datetime | None
    again: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class SourceStanding:
    """How one thing that a Source declares stands. `recorded`: the row is of this very document.

    `declared` False: it is no longer declared and not gone yet.
    """

    key: model.Key
    state: str
    ready: bool
    reason: str
    message: str
    path: str | None
    line: int | None
    problem: str | None
    recorded: bool
    declared: bool


class Reviews(Protocol):
    """What the database knows of reviews. A source is held by one worker at a time; who lost it writes nothing (Conflict)."""

    async def due_reviews(self, worker: str, *, lease: float, limit: int) -> Sequence[DueReview]:
        """Hold the Sources that are due; those that name a forge for the first time are due at once."""

    async def next_review(self) -> float | None:
        """Seconds until one is due; None: no Source names a forge."""

    async def keep_review(self, worker: str, source: str, *, lease: float) -> bool:
        """Hold it longer; False: it is another's."""

    async def end_review(
        self,
        worker: str,
        due: DueReview,
        *,
        pause: float | None,
        message: str = "",
        slow: bool = False,
    ) -> None:
        """Let it go for `pause` seconds (None: until it was due anyway).

        At once again if somebody asked since, unless the forge wants it `slow`.
        """

    async def ask_reviews(self, url: str) -> int:
        """Look soon at every Source of this repository; how many. Webhooks call it."""

    async def say_again(self, source: str, context: str | None, *, commit: str, again: str) -> int:
        """At the next look, say of this commit anew what is to be said, even if it is the same; of how many things.

        `context`: of what follows the commit, only what was told under this name. The same wish again changes nothing.
        """

    async def epochs(self, source: Reviewable) -> str:
        """What a review of this source rests on: what it declares, BESIDE, what else is declared; each text changes with it."""

    async def reviews(self, source: str) -> Mapping[int, Review]:
        """The latest review of each pull request, by number."""

    async def record_review(
        self, worker: str, source: str, review: Review, plan: model.Plan | None
    ) -> None:
        """What is to be said, and the plan that it tells of, before it is said."""

    async def review_posted(
        self, worker: str, source: str, number: int, digest: str, *, again: str = ""
    ) -> None:
        """The forge took it; if somebody wants it anew since (another `again`), it is still to be said."""

    async def commit_in_force(self, source: str) -> str | None:
        """The commit whose documents the source declares now."""

    async def owners(self) -> Mapping[model.Key, str]:
        """The source of each object that was applied to a cluster, for `model.World` names the cluster as theirs."""

    async def commit_reports(self, source: str, commit: str) -> Sequence[CommitReport]:
        """That of `commit`, and all that wait for their last word, the oldest first."""

    async def source_standings(self, source: str) -> Sequence[SourceStanding]:
        """How each thing that the source declares stands, by key, and what it no longer declares and is not gone."""

    async def begin_report(
        self, worker: str, source: str, *, commit: str, context: str, number: int | None
    ) -> None:
        """A commit is in force: from now on it is told what comes of it."""

    async def reported(
        self, worker: str, source: str, report: CommitReport, *, digest: str, ended: bool
    ) -> None:
        """The forge took it; as of `review_posted`, if nobody wants it anew since."""

    async def bound_commit(self, source: str) -> str | None:
        """The commit for which it was last decided what it may destroy."""

    async def bind(
        self,
        worker: str,
        source: str,
        *,
        commit: str,
        number: int | None,
        destroys: Sequence[model.Key] | None,
    ) -> None:
        """Decide what a commit may destroy; None: no pull request brought it, so that only the brakes count."""
