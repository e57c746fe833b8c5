"""What the database remembers of questions to models, and what it knows of the runs that they are about."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from workbenchx.api import identity


@dataclasses.dataclass(frozen=True, slots=True)
class Pace:
    """How often is asked: about a cause at most `tries` times, `again` seconds after the last time; in a project `daily` times."""

    tries: int = 3
    again: float = 3600.0
    daily: int = 10


@dataclasses.dataclass(frozen=True, slots=True)
class Asking:
    """One question: about a cause of a source, at the cost of a project, to an alias."""

    source: str
    cause: str
    project: str
    key: identity.Key
    alias: str


@dataclasses.dataclass(frozen=True, slots=True)
class KeptAnswer:
    """A row of `ops.fix_answers`. States: asked (no answer yet), refused, accepted. `due`: it may be asked again now."""

    cause: str
    state: str
    tries: int
    message: str
    alias: str
    document: Mapping[str, Any]
    due: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Ending:
    """What a run left: the sha256 of its code, and the end of its output. `begun`: that is all of it from the start."""

    code: str | None
    output: bytes
    begun: bool


class FixAnswers(Protocol):
    """Questions to models about failed runs.

    Laws: a question is written down before it is asked; of all who want to ask
    about a cause at once one may; an answer that is kept stays as it is.
    """

    async def kept_answers(
        self, source: str, causes: Sequence[str], *, pace: Pace
    ) -> Mapping[str, KeptAnswer]:
        """What is known of some causes."""

    async def begin_asking(self, asking: Asking, *, pace: Pace) -> bool:
        """Whether the caller is to ask; False: somebody else does, it was asked lately, or the day's cap is reached."""

    async def keep_answer(
        self,
        asking: Asking,
        state: str,
        message: str,
        document: Mapping[str, Any],
        *,
        sent: bool = True,
    ) -> None:
        """What came of it. `sent` False: nobody was asked in the end, and it is no try."""

    async def ended_with(self, run_id: str, most: int) -> Ending:
        """What a run left; of its output the last bytes, at least `most` of them if there are so many."""
