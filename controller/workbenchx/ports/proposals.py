"""What the database remembers of FixBot's pull requests."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from workbenchx.api import identity


@dataclasses.dataclass(frozen=True, slots=True)
class Proposed:
    """One row of `ops.fix_proposals`. `source` names the repository that it changes; `number` None: not opened yet.

    `head` is the commit that we pushed last. `attempt` counts the proposals of this fingerprint: each has a branch of its own.
    States: open, merged, closed (by us), snoozed (by a person, until then), handed_over (a person goes on with it).
    """

    id: str
    source: str
    fingerprint: str
    rule: str
    state: str
    branch: str
    attempt: int
    title: str
    number: int | None
    url: str | None
    head: str | None
    snoozed_until: datetime.datetime | None
    document: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class NewProposal:
    """A proposal that is to be made. `branch` without the number of its attempt. `project`: whose members may read it."""

    source: str
    fingerprint: str
    rule: str
    project: str | None
    branch: str
    title: str
    run_id: str | None
    document: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Unproposed:
    """A finding without a pull request. `state`: capped, manual (a person must mend it), refused; `why`: in a sentence."""

    fingerprint: str
    project: str | None
    rule: str
    key: identity.Key
    field: str
    state: str
    why: str


class Proposals(Protocol):
    """Rows of proposals. At most one of a fingerprint is open."""

    async def proposals(self, source: str) -> Sequence[Proposed]:
        """Those of a source that are not over: open, handed over, snoozed. The oldest first."""

    async def begun_since(self, source: str, at: datetime.datetime) -> int:
        """How many were made since then, whatever became of them."""

    async def propose(self, wanted: NewProposal) -> Proposed | None:
        """Write one down before anything is pushed; None: one of this fingerprint is open already."""

    async def opened(self, id_: str, *, head: str, number: int, url: str) -> None:
        """Its pull request is there."""

    async def revise(self, id_: str, *, head: str, title: str, document: Mapping[str, Any]) -> None:
        """Its pull request says something else now."""

    async def conclude(
        self, row: Proposed, state: str, *, snoozed_until: datetime.datetime | None = None
    ) -> None:
        """It has another state now; if it has one by somebody else already, that one stays."""

    async def note_waits(self, source: str, found: Sequence[Unproposed]) -> None:
        """What was found at this look and is not proposed: in place of what was noted before. The same again writes nothing."""

    async def take_turn(self, source: str, holder: str, *, lease: float) -> bool:
        """Be FixBot of a source for so many seconds; False: it is not due, or somebody else is."""

    async def keep_turn(self, source: str, holder: str, *, lease: float) -> bool:
        """Stay so, also where the lease ran out and nobody took it; False: somebody else is by now."""

    async def end_turn(self, source: str, holder: str, *, pause: float) -> None:
        """Give it back; it is due again after so many seconds."""
