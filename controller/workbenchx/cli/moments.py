"""Times as people write them, where the database is not asked: a day, an age, or a time with its zone."""

import datetime
import re

from workbenchx.api import quantities
from workbenchx.cli import failure

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def moment(text: str, now: datetime.datetime) -> datetime.datetime:
    """The time; a day begins at midnight UTC, an age counts back from now.

    Raises:
        failure.Failure: it is none of these.
    """
    if _DAY.fullmatch(text):
        text += "T00:00:00Z"
    try:
        return now - datetime.timedelta(seconds=quantities.duration(text))
    except ValueError:
        pass
    except OverflowError as problem:
        raise failure.Failure(f'"{text}" is too long ago') from problem
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError as problem:
        raise failure.Failure(
            f'"{text}" is no time', hint="write it as 2026-03-01T12:00:00Z, 2026-03-01 or 36h"
        ) from problem
    if found.tzinfo is None:
        raise failure.Failure(
            f'"{text}" says no zone', hint="end it with Z for UTC, or with +01:00"
        )
    return found.astimezone(datetime.UTC)
