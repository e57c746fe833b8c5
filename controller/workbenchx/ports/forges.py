"""Forges: what is said at a pull request and at a commit, and how a change is proposed.

Errors are Stalled(ForgeRefused) where a person must act (rights, a repository that is not there), Waiting(RateLimited) with
the time that the forge names, Waiting(ForgeUnavailable) where it does not answer. An adapter retries nothing by itself.
"""

import dataclasses
import datetime
import enum
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

RERUN = "rerequested"
"""What happened to a check that somebody wants anew."""


class Verdict(enum.StrEnum):
    """How a check or a reconciliation stands."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


@dataclasses.dataclass(frozen=True, slots=True)
class Pull:
    """A pull request. `head` and `base` are commits; `fork`: its branch is in another repository, so nothing of it is trusted.

    `branch` is the name of its own branch, `target` of the branch it goes to. `merged` is the commit that the merge made.
    """

    number: int
    url: str
    title: str
    author: str
    branch: str
    target: str
    head: str
    base: str
    open: bool
    fork: bool = False
    merged: str | None = None
    labels: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Annotation:
    """A sentence at a line of a file (counted from 1). `level`: failure, warning or notice."""

    path: str
    line: int
    level: str
    title: str
    message: str


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """What is said of a commit under a `context`, such as `workbenchx/prod/platform`.

    `title` is at most 140 characters; `summary` is Markdown. `external_id` names what it tells of: the same one is not told
    twice. A forge without check runs shows title and verdict alone: `summary` goes into the comment of the pull request.
    """

    commit: str
    context: str
    verdict: Verdict
    title: str
    summary: str = ""
    annotations: Sequence[Annotation] = ()
    url: str | None = None
    external_id: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class NewPull:
    """A pull request to be opened from `branch`, which was pushed before, to `target`."""

    branch: str
    target: str
    title: str
    body: str
    labels: tuple[str, ...] = ()


class Forge(Protocol):
    """One repository at a forge."""

    @property
    def annotates(self) -> bool:
        """Whether reports carry summary and annotations (GitHub App). False: tell them in a comment."""

    async def default_branch(self) -> str:
        """Name of the branch that pull requests go to."""

    async def pull(self, number: int) -> Pull | None:
        """A pull request as it stands; None: the forge says that there is none (right after a webhook: perhaps not yet)."""

    async def open_pulls(self, *, target: str | None = None) -> Sequence[Pull]:
        """Every open pull request, to one branch or all, in one listing (all pages)."""

    async def pull_of_branch(self, branch: str) -> Pull | None:
        """The newest pull request of a branch of this repository, open or not."""

    async def pull_of_commit(self, commit: str) -> Pull | None:
        """The pull request whose merge, squash or rebase brought this commit to its branch."""

    async def open_pull(self, wanted: NewPull) -> Pull:
        """Open one; if an open one of that branch is there already, it is brought up to date and answered."""

    async def edit_pull(
        self, number: int, *, title: str | None = None, body: str | None = None
    ) -> None:
        """Change its words; None leaves them."""

    async def close_pull(self, number: int) -> None:
        """Close without merging; one that is closed stays so."""

    async def report(self, report: Report) -> None:
        """Say how a commit stands. The same report again changes nothing; a newer one of its context replaces it."""

    async def say(self, number: int, marker: str, body: str) -> None:
        """Keep exactly one comment of ours with this marker at a pull request: made once, then edited, only if it differs."""

    async def note(self, number: int, body: str) -> None:
        """Add a comment."""

    async def keep_issue(self, marker: str, title: str, body: str, *, make: bool = True) -> None:
        """Keep exactly one open issue of ours with this marker, as `say` does with comments; `make` False: only if there is one."""


@dataclasses.dataclass(frozen=True, slots=True)
class FileChange:
    """New bytes of a file at a path of the repository; None: it is deleted."""

    path: str
    content: bytes | None


@dataclasses.dataclass(frozen=True, slots=True)
class NewCommit:
    """A commit on top of `base` (a commit), as the only one of `branch`. `trailers` end its message."""

    base: str
    branch: str
    message: str
    changes: Sequence[FileChange]
    trailers: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Pushes(Protocol):
    """The write path: git push to branches that we made ourselves, never to any other."""

    async def push(self, url: str, wanted: NewCommit, *, expected: str | None) -> str:
        """Push one commit and answer its id. Same base, changes and message: the same id, and a push again changes nothing.

        `expected` is what the branch must be now (None: it must not exist): else Conflict, and nothing is pushed.
        Raises Stalled(PushRefused), before anything is sent, for the default branch, for a branch outside `wbx/fix/`,
        and for a branch whose tip is not a commit that we made.
        """

    async def drop(self, url: str, branch: str, *, expected: str) -> None:
        """Delete a branch of ours if it is still `expected`; one that is gone is a success. Refuses as `push` does."""


class Registry(Protocol):
    """Registries of images. Waiting(RegistryUnavailable) if it cannot be asked: unknown is not absent."""

    async def digest(self, image: str) -> str | None:
        """The digest of the index (or of the manifest, if there is no index) that a tag names now; None: there is no such tag."""


@dataclasses.dataclass(frozen=True, slots=True)
class Delivery:
    """What a forge told by a webhook: a hint to look there. Its signature was good when it was received.

    `repository` is host/path in small letters (forge/addresses). `action` is of a pull request: opened, synchronized,
    reopened, closed; `branch` is its own, or the one that was pushed to; `after` is where that branch was then. With the
    action rerequested somebody wants the check of `after` anew: `context`, or all. `again_at`: when a person wanted the
    delivery handled anew.
    """

    forge: str
    id: str
    event: str
    repository: str
    action: str | None
    number: int | None
    branch: str | None
    before: str | None
    after: str | None
    received_at: datetime.datetime
    handled_at: datetime.datetime | None
    context: str | None = None
    again_at: datetime.datetime | None = None

    @property
    def anew(self) -> str:
        """Names the wish that what was said is said anew, the same each time it is asked; empty: there is none."""
        if self.after is None or (self.action != RERUN and self.again_at is None):
            return ""
        return f"{self.forge}/{self.id}" + (
            f"/{self.again_at.isoformat()}" if self.again_at else ""
        )


class Deliveries(Protocol):
    """Webhooks that were received, each once. They may come twice, late, out of order or never: the poll is the truth."""

    async def open_deliveries(self, most: int = 500) -> Sequence[Delivery]:
        """What nobody has handled yet, the oldest first."""

    async def recent_deliveries(self, most: int = 50) -> Sequence[Delivery]:
        """The latest ones, handled or not."""

    async def handle_deliveries(self, done: Sequence[Delivery]) -> None:
        """Say that these need no more care; one that a person wanted anew in the meantime still does."""

    async def deliver_again(self, forge: str, id_: str, *, actor: str) -> datetime.datetime:
        """Let one be handled anew; when that was wanted.

        Raises:
            errors.Stalled: reason NotFound.
        """

    def delivered(self) -> AsyncIterator[None]:
        """One item at start, then one per burst of deliveries."""
