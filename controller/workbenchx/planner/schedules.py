"""Cron: which firings are due. `World.now` is the only clock; a firing is known by its time (decision 031)."""

import datetime
import functools
import itertools
import zoneinfo
from collections.abc import Iterator

import cronsim

MOST_AT_ONCE = 100
LATE_SECONDS = 300.0
_SECOND = datetime.timedelta(seconds=1)


def last(schedule: str, zone: str | None, now: datetime.datetime) -> datetime.datetime | None:
    """The newest firing at or before `now`."""
    return next(_firings(schedule, zone, now.replace(microsecond=0) + _SECOND, back=True), None)


def following(schedule: str, zone: str | None, now: datetime.datetime) -> datetime.datetime | None:
    """The first firing after `now`."""
    return next(_firings(schedule, zone, now, back=False), None)


def since(schedule: str, zone: str | None, first: datetime.datetime) -> Iterator[datetime.datetime]:
    """The firings from `first` on (itself included), the oldest first; without end."""
    before = first.replace(microsecond=0) - _SECOND
    return (at for at in _firings(schedule, zone, before, back=False) if at >= first)


def missed(
    schedule: str, zone: str | None, since: datetime.datetime, now: datetime.datetime
) -> list[datetime.datetime]:
    """Every firing after `since` and not after `now`, oldest first; at most 100, the newest ones."""
    start = now.replace(microsecond=0) + _SECOND
    backwards = _firings(schedule, zone, start, back=True)
    due = itertools.takewhile(lambda found: found > since, backwards)
    return list(itertools.islice(due, MOST_AT_ONCE))[::-1]


def late(firing: datetime.datetime, now: datetime.datetime) -> bool:
    """Whether a firing was missed rather than just seen."""
    return (now - firing).total_seconds() > LATE_SECONDS


def _firings(
    schedule: str, zone: str | None, start: datetime.datetime, *, back: bool
) -> Iterator[datetime.datetime]:
    """The firings from a moment on, or back from it. A schedule that cannot be read has none."""
    try:
        found = cronsim.CronSim(schedule, start.astimezone(_zone(zone)), reverse=back)
    except (cronsim.CronSimError, zoneinfo.ZoneInfoNotFoundError):
        return
    for firing in found:
        yield firing.astimezone(datetime.UTC)


@functools.lru_cache(maxsize=256)
def _zone(name: str | None) -> datetime.tzinfo:
    if name in {None, "", "UTC"}:
        return datetime.UTC
    return zoneinfo.ZoneInfo(str(name))


def parse(text: object) -> datetime.datetime | None:
    """A recorded time (ISO 8601 with its offset); None if there is none."""
    if isinstance(text, datetime.datetime):
        return text
    if not isinstance(text, str) or not text:
        return None
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
