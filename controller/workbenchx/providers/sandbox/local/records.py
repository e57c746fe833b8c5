"""Sandbox specs and statuses as the JSON of a sandbox's folder."""

import dataclasses
import datetime
from typing import Any

from workbenchx import ports
from workbenchx.providers.sandbox.supervision import layout

_LOST = {"state": "exited", "reason": "Lost"}


@dataclasses.dataclass(frozen=True, slots=True)
class Made:
    """What `create` decided: `mark` is in the environment of every process of the sandbox."""

    mark: str
    folder: str
    shown: tuple[str, ...]
    version: str
    notes: tuple[str, ...]
    boot: str


def epoch(when: datetime.datetime | None) -> float | None:
    """Seconds since 1970."""
    return None if when is None else when.timestamp()


def spec_document(spec: ports.SandboxSpec) -> layout.Json:
    """A spec as JSON."""
    document = {field.name: getattr(spec, field.name) for field in dataclasses.fields(spec)}
    document["tags"] = dict(spec.tags)
    document["files"] = [dataclasses.asdict(file) for file in spec.files]
    document["deadline"] = epoch(spec.deadline)
    return {name: list(v) if isinstance(v, tuple) else v for name, v in document.items()}


def same(left: layout.Json, right: layout.Json) -> bool:
    """Whether two specs order the same sandbox. A deadline may be moved, so it does not count."""
    return {**left, "deadline": None} == {**right, "deadline": None}


def document(spec: layout.Json, made: Made) -> layout.Json:
    """The content of spec.json."""
    return {"spec": spec, "made": dataclasses.asdict(made)}


def made(record: layout.Json) -> Made:
    """The second half of spec.json."""
    found = record["made"]
    return Made(**{**found, "shown": tuple(found["shown"]), "notes": tuple(found["notes"])})


def unread(name: str) -> layout.Json:
    """In the place of a spec.json that cannot be read."""
    spec = {"name": name, "tags": {}, "image": "", "shape": "execution"}
    return document(
        spec, Made("", "", (), "", ("its spec.json cannot be read: it can only be ended",), "")
    )


def created(record: layout.Json) -> ports.SandboxStatus:
    """Made, not started."""
    return _status(record, {"state": "created"}, {})


def running(record: layout.Json, live: layout.Json) -> ports.SandboxStatus:
    """The supervisor lives."""
    return _status(record, {"state": "running", "started_at": live.get("started_at")}, live)


def ended(
    record: layout.Json, live: layout.Json, status: layout.Json, boot: str
) -> ports.SandboxStatus:
    """As its supervisor said; what an earlier boot said counts only if it was made durable."""
    if status["boot"] != boot and not status.get("durable"):
        return lost(record, live, "the machine stopped before the outcome was safe on disk")
    return _status(record, status, {"restarts": status.get("restarts", 0)})


def lost(record: layout.Json, live: layout.Json, message: str) -> ports.SandboxStatus:
    """It was started, and nobody is left to say how it ended."""
    status = {**_LOST, "message": message, "started_at": live.get("started_at")}
    return _status(record, status, {})


def _status(record: layout.Json, status: layout.Json, live: layout.Json) -> ports.SandboxStatus:
    notes = made(record).notes
    return ports.SandboxStatus(
        name=record["spec"]["name"],
        state=status["state"],
        tags=record["spec"]["tags"],
        exit_code=status.get("exit_code"),
        reason=status.get("reason", ""),
        message=status.get("message") or "; ".join(notes),
        started_at=_time(status.get("started_at")),
        ended_at=_time(status.get("ended_at")),
        urls={int(port): url for port, url in live.get("urls", {}).items()},
        cpu_seconds=status.get("cpu_seconds"),
        max_memory=status.get("max_memory"),
        log_bytes=status.get("log_bytes", 0),
        fields=_fields(record, live),
    )


def _fields(record: layout.Json, live: layout.Json) -> dict[str, Any]:
    found = made(record)
    fields = {"python": found.version, "notes": list(found.notes), "image": record["spec"]["image"]}
    if record["spec"]["shape"] == "service":
        fields["restarts"] = live.get("restarts", 0)
    idle = _time(live.get("idle_since"))
    if idle is not None:
        fields["idle_since"] = idle.isoformat()
    return fields


def _time(seconds: float | None) -> datetime.datetime | None:
    return None if seconds is None else datetime.datetime.fromtimestamp(seconds, datetime.UTC)
