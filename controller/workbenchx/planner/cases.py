"""One living thing under judgement: what it ought to be, what is known of it, whether it should live."""

import dataclasses
import decimal
from collections.abc import Mapping
from typing import Any

from workbenchx.planner import (
    draft,
    executions,
    model,
    orders,
    placements,
    sightings,
    subjects,
    verdicts,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Blueprint:
    """The object as it ought to be. `hash` is over all that needs a new object when it changes.

    `marks` are what it is made from beside its own spec; those with a dot in their name are shown when they change.
    `owned` are the declared fields that a provider may show, for drift.
    """

    order: orders.Order
    hash: str
    marks: Mapping[str, Any]
    owned: Mapping[str, Any]
    placed: placements.Placement


@dataclasses.dataclass(frozen=True, slots=True)
class Wish:
    """Whether it should live now. `why` goes into the facts as `stopped_for`, so that it stays stopped."""

    lives: bool
    because: model.Because
    why: str = ""
    order: model.Intervention | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """One living thing under judgement."""

    writing: draft.Draft
    subject: subjects.Subject
    track: executions.Track
    blueprint: Blueprint | verdicts.Refusal
    sighting: sightings.Sighting
    holds_data: bool

    @property
    def living(self) -> bool:
        """Whether the row names an object."""
        return self.subject.external_id is not None

    @property
    def gone(self) -> bool:
        """Whether the object surely does not work any more."""
        return self.sighting.sight in {sightings.Sight.MISSING, sightings.Sight.ENDED}

    @property
    def rate(self) -> decimal.Decimal:
        """USD per hour while it lives."""
        placed = self.placed
        return placed.rate if placed else model.ZERO

    @property
    def placed(self) -> placements.Placement | None:
        """Where it ought to live, if that is known."""
        return self.blueprint.placed if isinstance(self.blueprint, Blueprint) else None
