"""What the provider says of one object, and what its silence proves. Unknown is not absent."""

import dataclasses
import datetime
import enum
from collections.abc import Mapping
from typing import Any

from workbenchx.planner import executions, index, model, schedules, subjects


class Sight(enum.Enum):
    """How an object looks. TRUSTED: made after the last look, so the last look says nothing of it."""

    SEEN = "seen"
    ENDED = "ended"
    MISSING = "missing"
    TRUSTED = "trusted"
    UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True, slots=True)
class Sighting:
    """One object as it was last seen."""

    sight: Sight
    found: model.ObservedObject | None = None

    @property
    def fields(self) -> Mapping[str, Any]:
        """What the provider shows of it."""
        return self.found.fields if self.found else {}


_ENDED = frozenset({"exited", "failed"})


def of(
    looked_up: index.Index,
    subject: subjects.Subject,
    track: executions.Track,
    provider: str,
) -> Sighting:
    """The object that the row names, at that provider (the adapter's name)."""
    found = looked_up.observed.get(subject.external_id or "")
    epoch = looked_up.epochs.get(provider)
    made = _made(subject, track)
    if made and (epoch is None or epoch.at <= made) and _recent(looked_up, made):
        return Sighting(Sight.TRUSTED)
    if epoch is None or not _recent(looked_up, epoch.at):
        return Sighting(Sight.UNKNOWN)
    if found is None:
        return Sighting(Sight.MISSING if epoch.complete and _later(epoch, made) else Sight.UNKNOWN)
    if found.state == "unknown":
        return Sighting(Sight.UNKNOWN, found)
    return Sighting(Sight.ENDED if found.state in _ENDED else Sight.SEEN, found)


def _made(subject: subjects.Subject, track: executions.Track) -> datetime.datetime | None:
    """When the object was made, as far as we know."""
    latest = track.latest(executions.BRINGING_UP | {"extend"})
    ended = latest.ended_at if latest else None
    return ended or schedules.parse(subject.facts.get("started_at"))


def _recent(looked_up: index.Index, at: datetime.datetime) -> bool:
    age = (looked_up.now - at).total_seconds()
    return age <= looked_up.policy.observation_max_age


def _later(epoch: model.Epoch, made: datetime.datetime | None) -> bool:
    """A look from before the object was made cannot miss it."""
    return made is None or epoch.at > made


def drift(expected: Mapping[str, Any], fields: Mapping[str, Any]) -> tuple[model.FieldChange, ...]:
    """Declared fields that the provider shows differently: `before` is what is there, `after` what is declared."""
    return tuple(
        model.FieldChange(f"observed.{name}", fields[name], expected[name])
        for name in sorted(expected.keys() & fields.keys())
        if not _alike(expected[name], fields[name])
    )


def _alike(declared: Any, shown: Any) -> bool:
    """Numbers by value, lists as sets of what they hold: order and spelling are the provider's."""
    if isinstance(declared, list | tuple) and isinstance(shown, list | tuple):
        return sorted(map(str, declared)) == sorted(map(str, shown))
    return bool(declared == shown)
