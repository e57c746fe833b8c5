"""What anchoring and verification need of the `ops` schema. See decision 060."""

import contextlib
import dataclasses
import datetime
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol


class Entry(NamedTuple):
    """The head (64 hex digits) of a run's chain when it had so many events."""

    run_id: str
    events: int
    head: str


@dataclasses.dataclass(frozen=True, slots=True)
class Anchor:
    """A root over entries. `root` is the sha256 of the stored document that lists them, `prev` that of the one before."""

    number: int
    day: datetime.date
    root: str
    prev: str
    runs: int
    events: int


class ChainVerdict(NamedTuple):
    """How a run's chain stands against itself and against every anchor that lists it.

    `events`: as recorded; `broken_at`: the first event that is not what it was; `anchored`: how many of them the latest
    anchor vouches for; `gone`: an anchor lists the run and it is not recorded any more.
    """

    run_id: str
    events: int
    broken_at: int | None
    anchored: int
    gone: bool = False

    @property
    def verdict(self) -> str:
        """One of intact, unanchored (intact, and not wholly anchored yet), broken, deleted."""
        if self.gone:
            return "deleted"
        if self.broken_at is not None:
            return "broken"
        return "intact" if self.anchored == self.events else "unanchored"


class Pointer(NamedTuple):
    """A row of `ops.artifacts`."""

    id: str
    run_id: str
    name: str
    sha256: str
    removed: bool


class Anchoring(Protocol):
    """The part of the store that anchoring uses."""

    async def unanchored(self, *, before: datetime.datetime, after: str, limit: int) -> list[Entry]:
        """Runs that ended before then and whose heads no anchor holds, by run id, from behind `after` on."""

    async def anchors(self) -> list[Anchor]:
        """What is recorded of anchors, by number."""

    async def mark_anchored(self, number: int, entries: Sequence[Entry]) -> None:
        """These heads are in that anchor; a chain that has grown since stays due."""

    async def record_anchor(self, anchor: Anchor) -> None:
        """Record an anchor once it stands in storage and its runs are marked; again changes nothing."""


class Verification(Protocol):
    """One verification. What it loads lives in the session, in the database, so that memory is constant."""

    async def load(self, number: int, entries: Sequence[Entry]) -> None:
        """Entries of an anchor whose document was checked."""

    async def count(self, run_id: str | None) -> tuple[int, int]:
        """How many runs and artifacts there are to look at."""

    def chains(
        self, run_id: str | None, *, last: int, lost: Sequence[int]
    ) -> AsyncIterator[ChainVerdict]:
        """Every run of `ops.runs` or of an anchor, or the one; asked once, after all was loaded.

        `last`: the newest anchor that was there to load; `lost`: those whose documents could not be.
        """

    def pointers(self, run_id: str | None) -> AsyncIterator[Sequence[Pointer]]:
        """Every artifact (of that run), page by page in the order of sha256."""

    async def removed(self, ids: Sequence[str]) -> set[str]:
        """Those of these artifacts that retention has removed by now."""


class Verifying(Protocol):
    """The part of the store that opens verifications."""

    async def anchors(self) -> list[Anchor]:
        """What is recorded of anchors, by number."""

    def verification(self) -> contextlib.AbstractAsyncContextManager[Verification]:
        """A session of its own."""
