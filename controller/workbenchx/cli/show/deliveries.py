"""What `wbx source deliveries` shows: webhooks that were put down, and those that were not."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from workbenchx.cli.show import phrases, style, table

_DELIVERY = (
    "id", "forge", "event", "action", "source", "repository", "number", "branch", "commit", "context", "received_at",
    "handled_at", "again_at", "again_by",
)  # fmt: skip
_TALLY = (
    "outcome", "why", "times", "forge", "event", "source", "repository", "first_at", "last_at", "last_id",
    "last_repository",
)  # fmt: skip
_HEADERS = ("RECEIVED", "FORGE", "EVENT", "SOURCE", "ABOUT", "STATE", "ID")
_OTHERS = ("LAST", "FORGE", "TIMES", "OUTCOME", "REPOSITORY", "WHY")
_SHORT = 12


class Found(NamedTuple):
    """The answer: rows as `ports.Reads` has them."""

    deliveries: Sequence[Mapping[str, Any]]
    tallies: Sequence[Mapping[str, Any]]


def as_json(found: Found) -> dict[str, Any]:
    """Everything."""
    return {
        "deliveries": [
            {"state": _state(row)} | {name: row[name] for name in _DELIVERY}
            for row in found.deliveries
        ],
        "others": [{name: row[name] for name in _TALLY} for row in found.tallies],
    }


def as_text(
    found: Found, paint: style.Style, now: datetime.datetime, *, width: int | None = None
) -> Iterator[str]:
    """A table of what was put down, and a table of what was not."""
    if found.deliveries:
        lines = [_line(row, now) for row in found.deliveries]
        yield table.render(_HEADERS, lines, paint, width=width)
    else:
        yield "no webhook was put down within the last month"
    if found.tallies:
        yield ""
        yield "Not put down:"
        others = [_other(row, now) for row in found.tallies]
        yield table.render(_OTHERS, others, paint, width=width)


def _state(row: Mapping[str, Any]) -> str:
    return "handled" if row["handled_at"] else "waiting"


def _line(row: Mapping[str, Any], now: datetime.datetime) -> list[table.Cell | str]:
    state = _state(row)
    again = ", wanted anew" if row["again_at"] else ""
    event = " ".join(filter(None, (row["event"], row["action"])))
    return [
        phrases.ago(row["received_at"], now),
        row["forge"],
        table.safe(event),
        table.safe(row["source"] or row["repository"]),
        table.safe(_about(row)),
        (f"{state}{again}", "plain" if row["handled_at"] else "busy"),
        table.safe(row["id"]),
    ]


def _about(row: Mapping[str, Any]) -> str:
    """The pull request or the check, then branch and commit."""
    number = f"#{row['number']}" if row["number"] else None
    commit = row["commit"][:_SHORT] if row["commit"] else None
    return " ".join(filter(None, (number, row["context"] or row["branch"], commit)))


def _other(row: Mapping[str, Any], now: datetime.datetime) -> list[table.Cell | str]:
    refused = row["outcome"] == "refused"
    said = f"(says {row['last_repository']})" if row["last_repository"] else ""
    why = f"{row['event']}: {row['why']}" if row["event"] else row["why"]
    return [
        phrases.ago(row["last_at"], now),
        row["forge"],
        str(row["times"]),
        (row["outcome"], "bad" if refused else "faint"),
        table.safe(row["repository"] or said),
        table.safe(why),
    ]
