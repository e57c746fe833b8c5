"""What was true at a time: the time that people mean, and what lived then."""

import datetime
import re
from typing import Any

from psycopg import rows

from workbenchx import errors
from workbenchx.api import quantities
from workbenchx.store import connections, queries

_SQL = queries.load("history")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_LONGEST = datetime.timedelta(days=36_500)
_INSTANT = datetime.timedelta(microseconds=1)
Row = dict[str, Any]


async def moment(source: connections.Transactions, said: str) -> datetime.datetime:
    """The time that `said` means: a time, an age (`2h`), or a commit (the last moment at which it was the current one).

    Raises:
        errors.Stalled: reason InvalidTime: it is none of them; InFuture; BeforeHistory: nothing was recorded yet;
            CommitUnknown: no source was ever read at it; CommitAmbiguous.
    """
    said = said.strip()
    clock = (await _fetch(source, "clock"))[0]
    now = clock["now"]
    at = _age(said, now) or _time(said)
    if at is None and _COMMIT.fullmatch(said.lower()):
        at = await _while_current(source, said.lower(), now)
    if at is None:
        raise errors.Stalled(
            f'time: "{said}" is no time such as 2026-03-01T12:00:00Z, no age such as 2h30m, and no commit (7 to 64 hex digits)',
            reason="InvalidTime",
        )
    _check(at, said, now, clock["first"])
    return at


def _check(
    at: datetime.datetime, said: str, now: datetime.datetime, first: datetime.datetime | None
) -> None:
    if at > now:
        raise errors.Stalled(
            f'time: "{said}" is in the future; here it is {_shown(now)}', reason="InFuture"
        )
    if first is None:
        raise errors.Stalled("history: nothing is recorded yet", reason="BeforeHistory")
    if at < first:
        raise errors.Stalled(
            f'history: "{said}" is before the first record, which is of {_shown(first)}',
            reason="BeforeHistory",
        )


async def resources(
    source: connections.Transactions, at: datetime.datetime, **wanted: Any
) -> list[Row]:
    """What lived at that time, with its spec, and what its document said.

    Raises:
        errors.Stalled: reason InFuture or BeforeHistory.
    """
    clock = (await _fetch(source, "clock"))[0]
    _check(at, at.isoformat(), clock["now"], clock["first"])
    return await _fetch(source, "resources_at", at=at, **wanted)


def _age(said: str, now: datetime.datetime) -> datetime.datetime | None:
    try:
        seconds = quantities.duration(said.removesuffix("ago").strip())
    except ValueError:
        return None
    return now - min(datetime.timedelta(seconds=min(seconds, 1e10)), _LONGEST)


def _time(said: str) -> datetime.datetime | None:
    """A time with its zone: without one, it means another moment for each reader."""
    try:
        at = datetime.datetime.fromisoformat(said)
    except ValueError:
        return None
    if len(said) < len("2026-03-01T12:00Z"):
        return None
    if at.tzinfo is None:
        raise errors.Stalled(
            f'time: "{said}" has no zone; write {said}Z for UTC', reason="InvalidTime"
        )
    try:
        return at.astimezone(datetime.UTC)
    except OverflowError:
        return None


async def _while_current(
    source: connections.Transactions, commit: str, now: datetime.datetime
) -> datetime.datetime:
    found = await _fetch(source, "commits", prefix=commit)
    if not found:
        raise errors.Stalled(
            f'history: no source was read at commit "{commit}"', reason="CommitUnknown"
        )
    if len(found) > 1:
        raise errors.Stalled(
            f'history: "{commit}" is the beginning of several commits; give more of it',
            reason="CommitAmbiguous",
        )
    until: datetime.datetime | None = found[0]["until"]
    return until - _INSTANT if until else now


def _shown(at: datetime.datetime) -> str:
    return at.astimezone(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


async def _fetch(source: connections.Transactions, query: str, **params: Any) -> list[Row]:
    async with (
        source.transaction(pipelined=True) as conn,
        conn.cursor(row_factory=rows.dict_row) as cursor,
    ):
        await cursor.execute(_SQL[query], params)
        return await cursor.fetchall()
