"""What a pull request declares, as whoever reads repositories tells it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from workbenchx import ports
from workbenchx.declared import problem
from workbenchx.engine import mirror
from workbenchx.planner import model


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """The merge of a pull request, read at the path of its Source.

    `tree`: id of that folder, by which the merge is known again ("": nothing is there). `conflicts`: files that git cannot
    merge; there is no reading then. `reading.code` names the projects whose code the merge changes. `confirms`: tokens of
    held plans that its commits confirm.
    """

    tree: str
    conflicts: Sequence[str] = ()
    reading: mirror.Reading | None = None
    problems: Sequence[problem.Problem] = ()
    confirms: Sequence[str] = ()


class Changes(Protocol):
    """Repositories with pull requests. Errors are Waiting where time may help, Stalled where a person must act."""

    async def tip(self, source: ports.Reviewable, branch: str) -> str:
        """The commit that the target branch is at."""

    async def change(
        self,
        source: ports.Reviewable,
        pull: ports.Pull,
        base: str,
        known: Mapping[model.Key, Mapping[str, Any]],
    ) -> Change:
        """The merge of the pull request's head into `base`. `known`: what other sources declare."""

    async def tree(self, source: ports.Reviewable, commit: str) -> str:
        """Id of the Source's folder at a commit ("": nothing is there)."""
