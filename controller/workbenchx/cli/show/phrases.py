"""Numbers as people say them: times, spans, sizes, money, ids."""

import datetime
import decimal
from collections.abc import Iterable, Mapping
from typing import Any

_SPANS = ((86400.0, "d"), (3600.0, "h"), (60.0, "m"))
_SHORT_ID = 18


def span(seconds: float) -> str:
    """A length of time with at most two units: `0.4s`, `12s`, `3m 5s`, `2d 4h`."""
    if seconds < 0:
        seconds = 0.0
    if seconds < 60:
        return f"{seconds:.1f}s" if seconds < 10 else f"{seconds:.0f}s"
    for index, (size, unit) in enumerate(_SPANS):
        if seconds >= size:
            whole, rest = divmod(round(seconds), int(size))
            lower, lower_unit = _SPANS[index + 1] if unit != "m" else (1.0, "s")
            small = int(rest // lower)
            return f"{whole}{unit} {small}{lower_unit}" if small else f"{whole}{unit}"
    raise AssertionError(seconds)


def ago(when: datetime.datetime | None, now: datetime.datetime) -> str:
    """How long ago (`3m 5s ago`, `just now`), or how long until (`in 2h`)."""
    if when is None:
        return ""
    seconds = (now - when).total_seconds()
    if seconds < -1:
        return f"in {span(-seconds)}"
    return "just now" if seconds < 1 else f"{span(seconds)} ago"


def lasted(
    started: datetime.datetime | None, ended: datetime.datetime | None, now: datetime.datetime
) -> str:
    """How long something took, or has taken so far."""
    return "" if started is None else span(((ended or now) - started).total_seconds())


def size(count: int) -> str:
    """Bytes: `512 B`, `4.0 KiB`, `1.2 GiB`."""
    if count < 1024:
        return f"{count} B"
    number = float(count)
    for unit in ("KiB", "MiB", "GiB"):
        number /= 1024
        if number < 1024:
            return f"{number:.1f} {unit}"
    return f"{number / 1024:.1f} TiB"


def money(amount: Any) -> str:
    """USD: `-` for nothing, else at least two decimals and no more than needed."""
    value = decimal.Decimal(str(amount)) if amount else 0
    if not value:
        return "-"
    text = f"{value:.6f}".rstrip("0")
    whole, _, cents = text.partition(".")
    return f"${whole}.{cents:<02}"


def moment(when: datetime.datetime | None) -> str:
    """A time in UTC, to the second."""
    return "" if when is None else when.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def short_id(run_id: str | None) -> str:
    """The first characters of a run id: its time and some chance; enough to name it again."""
    return (run_id or "")[:_SHORT_ID]


def short_ids(run_ids: Iterable[str]) -> dict[str, str]:
    """Short forms of ids shown together; those that would look alike stay whole."""
    whole = list(dict.fromkeys(run_ids))
    seen: dict[str, int] = {}
    for run_id in whole:
        seen[short_id(run_id)] = seen.get(short_id(run_id), 0) + 1
    return {r: short_id(r) if seen[short_id(r)] == 1 else r for r in whole}


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 run`, `2 runs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {plural or noun + 's'}"


def provider(row: Mapping[str, Any]) -> str | None:
    """Where a resource is, and for which adapter that stands in: `local (for vercel_sandbox)`."""
    recorded, said = row.get("provider"), (row.get("facts") or {}).get("provider")
    fits = said and (recorded is None or str(said).split(" ", 1)[0] == recorded)
    return str(said) if fits else recorded
