"""Repositories that are followed: what the database knows of each, and what git says of them."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from workbenchx.planner import model

SYSTEM_NAMESPACE = "wbx-system"
"""Where the platform team's own Sources and secrets are."""

GIVEN = "embedded"
"""The source of what `wbx up` was given: a folder, or the URL of a repository."""


@dataclasses.dataclass(frozen=True, slots=True)
class Declarer:
    """Who declares what a repository says. `source`: as `ops.declared` names what it declares."""

    source: str
    namespace: str
    name: str
    project: str | None
    spec: Mapping[str, Any]

    @property
    def url(self) -> str:
        """Its repository."""
        return str(self.spec["url"])

    @property
    def prune(self) -> bool:
        """Whether what is no longer said is deleted."""
        return self.spec.get("prune") is not False

    @property
    def everything(self) -> bool:
        """Whether it may declare anything, not only what is in its own namespace."""
        return self.source == GIVEN or self.namespace == SYSTEM_NAMESPACE

    def may(self, key: model.Key) -> bool:
        """Whether it may declare a resource of that identity."""
        return self.everything or (bool(key.namespace) and key.namespace == self.namespace)


@dataclasses.dataclass(frozen=True, slots=True)
class Followed(Declarer):
    """One source that this worker holds for a while. `seen`: the commit of the last look; `applied`: the one in force.

    `unsettled`: the last look did not end well, or left something that another source may have given free since, or that a
    person has let go; `found`: what it held, see `Applying`.
    """

    seen: str | None
    applied: str | None
    failures: int
    unsettled: bool
    found: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class SourceState:
    """How a source stands, for people. `found`: see `Applying.found`; `follows`: whether anything is followed."""

    source: str
    spec: Mapping[str, Any]
    seen: str | None
    applied: str | None
    applied_at: datetime.datetime | None
    reason: str
    message: str
    found: Mapping[str, Any]
    polled_at: datetime.datetime | None
    asked_at: datetime.datetime | None
    follows: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """Why the last look led to nothing: a reason and one sentence. `waits`: time alone may mend it."""

    reason: str
    message: str
    waits: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Applying:
    """What a commit declares, ready to be written for a source.

    `found`: numbers and names for people (documents, skipped, refused); what was kept and what another source has is
    added when it is written. `tokens`: what the commit's trailers confirm.
    """

    commit: str
    rows: Sequence[model.Declared]
    complete: bool
    broken: Mapping[str, str]
    code: Mapping[str, model.Code]
    prune: bool
    found: Mapping[str, Any]
    tokens: Sequence[str] = ()
    rewritten: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Applied:
    """What writing a commit did. `taken`: what another source declares, so that it stayed that one's."""

    changed: int
    removed: int
    kept: Sequence[model.Key]
    taken: Sequence[tuple[model.Key, str]]


class Sources(Protocol):
    """What the database knows of sources. A source is held by one worker at a time; who lost it writes nothing."""

    async def follow(self, url: str, *, branch: str | None, path: str) -> None:
        """From now on the given source is this repository; it is due at once."""

    async def unfollow(self) -> None:
        """The given source is a folder again, or nothing."""

    async def ask(self, source: str) -> bool:
        """Look at it now; False: nothing of that name is followed. Webhooks and `wbx sync` call it."""

    async def ask_url(self, url: str) -> int:
        """Look now at every source that follows this URL; how many."""

    async def source_states(self) -> Sequence[SourceState]:
        """All that are followed."""

    async def specs_of_others(self, source: str) -> Mapping[model.Key, Mapping[str, Any]]:
        """The spec of everything that other sources declare."""

    async def due_sources(
        self, worker: str, *, lease: float, limit: int, heed: bool = True
    ) -> Sequence[Followed]:
        """Hold those that are due.

        `heed`: first sources are enrolled as they are recorded, and what people ordered is heard.
        """

    async def next_due(self) -> float | None:
        """Seconds until the next one is due; None: nothing is followed."""

    async def keep_source(self, worker: str, source: str, *, lease: float) -> bool:
        """Hold it longer; False: it is another's."""

    async def looked(
        self,
        worker: str,
        source: str,
        *,
        seen: str | None,
        pause: float,
        problem: Problem | None = None,
    ) -> bool:
        """A look that changed nothing, or led to a problem: let it go for `pause` seconds.

        What is new is told by a run; the same problem again is not. False: it was another's.
        """

    async def apply_source(
        self, worker: str, source: str, *, run_id: str, pause: float, applying: Applying
    ) -> Applied:
        """Make `ops.declared` say this commit, record it, tell it by a run, confirm, and let go: one transaction.

        Raises:
            errors.Conflict: it was another's.
        """


@dataclasses.dataclass(frozen=True, slots=True)
class Remote:
    """A branch of a repository, and what it takes to read it. `credential`: a token, or a private SSH key."""

    url: str
    branch: str | None = None
    credential: str | None = dataclasses.field(default=None, repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Fetched:
    """A tip that is here now. `rewritten`: the branch no longer holds the commit that it was at before."""

    commit: str
    rewritten: bool
    tokens: tuple[str, ...]


class Clones(Protocol):
    """Copies of repositories, of which nothing is ever executed.

    Errors: Waiting(SourceUnavailable) where time may help; Stalled(SourceRefused) with git's words where a person must act.
    """

    async def tip(self, remote: Remote) -> str:
        """The commit that the branch is at now: one question to the server."""

    async def fetch(self, remote: Remote, *, since: str | None) -> Fetched:
        """Bring the branch's tip here. `since`: the commit that was in force."""

    async def verify(self, remote: Remote, commit: str, *, mode: str, keys: str) -> str:
        """Who signed the commit, by one of these keys.

        Raises:
            errors.Stalled: reason SignatureInvalid: nobody, or somebody else.
        """

    async def brought(self, remote: Remote, commit: str) -> bool:
        """Whether a commit of this repository is here; one that is not is asked of the server by its name."""

    async def changes(self, remote: Remote, *, since: str, until: str, path: str) -> Sequence[str]:
        """Commits, oldest first, that changed a file on the branch's own way from `since` to `until`, both fetched.

        None where `until` does not come from `since`.
        """

    async def text(self, remote: Remote, commit: str, path: str, *, most: int) -> bytes | None:
        """One regular file of a commit that was fetched; None: there is none of that path, or it is larger than `most`."""
