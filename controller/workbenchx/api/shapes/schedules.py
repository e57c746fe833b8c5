"""Cron schedules and time zones."""

import contextlib
import datetime
import functools
import re
import zoneinfo
from typing import Annotated

import pydantic

from workbenchx.api.shapes import rules, scalars

CRON_RIGHT = 'five cron fields "minute hour day month weekday" such as "0 6 * * 1-5"'
ZONE = r"^[A-Za-z][-A-Za-z0-9_+/]{0,63}$"
ZONE_RIGHT = 'a time zone of the IANA database such as "Europe/Berlin" or "UTC"'
_ANY_TIME = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)


def _words(names: str) -> str:
    """Three-letter names in any case: a pattern that has to mean the same everywhere has no flag for that."""
    return "|".join("".join(f"[{each}{each.lower()}]" for each in name) for name in names.split())


def _field(value: str, *others: str) -> str:
    part = "|".join([rf"(\*|({value})(-({value}))?)(/0*[1-9][0-9]*)?", *others])
    return f"({part})(,({part}))*"


_MONTH = f"0?[1-9]|1[0-2]|{_words('JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC')}"
_DAY = f"[0-7]|{_words('SUN MON TUE WED THU FRI SAT')}"
_FIELDS = (
    _field("[0-5]?[0-9]"),
    _field("[01]?[0-9]|2[0-3]"),
    _field("0?[1-9]|[12][0-9]|3[01]", "[Ll][Ww]?"),
    _field(_MONTH),
    _field(_DAY, "[0-7][Ll]", f"({_DAY})#[1-5]"),
)
CRON = f"^{' '.join(_FIELDS)}$"
_NEVER = (
    r"^[^ ]+ [^ ]+ ((3[01](,3[01])*|30-31) (0?2|[Ff][Ee][Bb])"
    r"|31(,31)* (0?[2469]|11)(,(0?[2469]|11))*) [*]$"
)
_SHORT = r"^[-A-Za-z0-9*,/#]+( [-A-Za-z0-9*,/#]+){4}$"
_CHECKS = rules.all_of(
    rules.cel(rules.matching(CRON), f"must be {CRON_RIGHT}"),
    rules.cel(
        "self.findAll('[0-9]+-[0-9]+').all(r, int(r.split('-')[0]) <= int(r.split('-')[1]))",
        f"must be {CRON_RIGHT}: a range goes upwards",
    ),
    rules.cel(f"!{rules.matching(_NEVER)}", f"must be {CRON_RIGHT}: there is no such day"),
)
_cron = re.compile(CRON).fullmatch
_zone = re.compile(ZONE).fullmatch


@functools.lru_cache(maxsize=4096)
def _fires(schedule: str) -> bool:
    """Whether a schedule has five good fields and a next time. Remembered: many jobs share few schedules."""
    import cronsim  # noqa: PLC0415  # 30 ms that only schedules need

    try:
        return bool(_cron(schedule)) and bool(next(cronsim.CronSim(schedule, _ANY_TIME)))
    except (cronsim.CronSimError, StopIteration):
        return False


def _schedule(value: str) -> str:
    if len(value) > 120 or not _fires(value):
        raise scalars.refuse("schedule", value, CRON_RIGHT)
    return value


def _known_zone(value: str) -> str:
    with contextlib.suppress(OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        if _zone(value) and zoneinfo.ZoneInfo(value) is not None:
            return value
    raise scalars.refuse("time_zone", value, ZONE_RIGHT)


Schedule = Annotated[
    str,
    pydantic.AfterValidator(_schedule),
    pydantic.WithJsonSchema(
        {
            "type": "string",
            "maxLength": 120,
            "pattern": _SHORT,
            rules.HINT: f"must be {CRON_RIGHT}",
            **_CHECKS,
        }
    ),
]
TimeZone = Annotated[
    str,
    pydantic.AfterValidator(_known_zone),
    pydantic.WithJsonSchema(
        {
            "type": "string",
            "maxLength": 64,
            "pattern": ZONE,
            rules.HINT: f"must be {ZONE_RIGHT}",
            # The function fails on a zone that it does not know; its error says so, with our message.
            **rules.cel(
                "self != 'Local' && timestamp('2000-01-01T00:00:00Z').getHours(self) >= 0",
                f"must be {ZONE_RIGHT}",
            ),
        }
    ),
]
