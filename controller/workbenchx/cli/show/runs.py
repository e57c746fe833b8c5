"""Runs as a table, and one run with its events."""

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx.cli.show import phrases, style, table

Row = Mapping[str, Any]
_EVENT_COLUMNS = 160
HEADERS = ("RUN", "RESOURCE", "OPERATION", "STATE", "TRY", "STARTED", "TOOK", "REASON")
COLUMNS = (
    "run_id",
    "operation",
    "kind",
    "namespace",
    "name",
    "provider",
    "state",
    "attempt",
    "exit_code",
    "reason",
    "message",
    "cost",
    "created_at",
    "started_at",
    "ended_at",
)


def listing(
    rows: Sequence[Row],
    paint: style.Style,
    now: datetime.datetime,
    *,
    width: int | None = None,
) -> str:
    """The table of runs."""
    if not rows:
        return "no runs"
    short = phrases.short_ids(str(row["run_id"]) for row in rows)
    lines = [_line(row, short, now) for row in rows]
    return table.render(HEADERS, lines, paint, width=width)


def _line(row: Row, short: Mapping[str, str], now: datetime.datetime) -> list[table.Cell | str]:
    state = str(row["state"])
    reason = str(row.get("reason") or "")
    message = table.safe(str(row.get("message") or ""))
    return [
        short[str(row["run_id"])],
        _subject(row),
        str(row["operation"]),
        (state, style.tone_of_run(state)),
        str(row.get("attempt") or 1),
        phrases.ago(row.get("started_at"), now),
        phrases.lasted(row.get("started_at"), row.get("ended_at"), now),
        f"{reason}: {message}" if message else reason,
    ]


def _subject(row: Row) -> str:
    return f"{row['kind']}/{row['name']}" if row.get("kind") and row.get("name") else "-"


def detail(row: Row, paint: style.Style, now: datetime.datetime) -> str:
    """One run: its facts, artifacts and events."""
    facts = [(label, text) for label, text in _facts(row, now) if text]
    wide = max(len(label) for label, _ in facts)
    parts = [f"{paint.paint(label.ljust(wide), 'faint')}  {text}" for label, text in facts]
    if row.get("artifacts"):
        parts += ["", paint.paint("Artifacts", "strong")]
        parts += [
            f"  {item['name']}  sha256 {item['sha256']}  {phrases.size(int(item['bytes']))}"
            for item in row["artifacts"]
        ]
    if row.get("events"):
        parts += ["", paint.paint("Events", "strong")]
        parts += [_event(event) for event in row["events"]]
    return "\n".join(parts)


def _facts(row: Row, now: datetime.datetime) -> list[tuple[str, str]]:
    code = row.get("exit_code")
    started = row.get("started_at")
    metrics = row.get("metrics") or {}
    return [
        ("run", str(row["run_id"])),
        ("resource", _subject(row)),
        ("operation", str(row["operation"])),
        ("provider", _provider(row)),
        ("state", str(row["state"])),
        ("attempt", str(row.get("attempt") or 1)),
        ("reason", str(row.get("reason") or "")),
        ("message", table.safe(str(row.get("message") or ""))),
        ("exit code", "" if code is None else str(code)),
        ("started", f"{phrases.moment(started)} ({phrases.ago(started, now)})" if started else ""),
        ("took", phrases.lasted(started, row.get("ended_at"), now)),
        ("cost", phrases.money(row.get("cost"))),
        ("metrics", ", ".join(f"{name} {metrics[name]:g}" for name in sorted(metrics))),
    ]


def _event(event: Row) -> str:
    data = {name: value for name, value in (event.get("data") or {}).items() if name != "document"}
    words = [f"{name}={_short(data[name])}" for name in sorted(data)]
    line = f"  {phrases.moment(event['at'])}  {event['type']}  {' '.join(words)}".rstrip()
    return table.clip(table.safe_line(line), _EVENT_COLUMNS)


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _provider(row: Row) -> str:
    """The adapter, and for which one it stands in."""
    order = row.get("document") or {}
    provider = str(row.get("provider") or "")
    if order.get("stand_in") and order.get("adapter") not in (None, provider):
        return f"{provider} (for {order['adapter']})"
    return provider


def plain(row: Row) -> dict[str, Any]:
    """A run for `--json`."""
    return {name: row.get(name) for name in COLUMNS}


def plain_detail(row: Row) -> dict[str, Any]:
    """A run with its events and artifacts for `--json`."""
    return {
        **plain(row),
        "metrics": dict(row.get("metrics") or {}),
        "events": [
            {name: event.get(name) for name in ("seq", "at", "type", "actor", "data")}
            for event in row["events"]
        ],
        "artifacts": [
            {name: item.get(name) for name in ("name", "sha256", "bytes", "media_type")}
            for item in row["artifacts"]
        ],
    }
