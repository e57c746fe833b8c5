"""From a row of the desk, and a droplet where only that is there, to what a sandbox is. Pure."""

import datetime
from typing import Any

from workbenchx import ports
from workbenchx.providers.sandbox.do_runner import names

_STATES = {"ordered": "created", "claimed": "created", "staged": "created", "running": "running"}
_OFF = frozenset({"off", "archive"})


def of(row: ports.Runner) -> ports.SandboxStatus:
    """As the desk has it."""
    said = dict(row.report or {})
    state = said.get("state") if row.state == "ended" else _STATES[row.state]
    if state == "created" and row.start_at is not None:
        state = "running"
    begun = _time(said.get("started_at")) or row.start_at
    return ports.SandboxStatus(
        name=row.name,
        state=str(state),
        tags=row.tags,
        exit_code=said.get("exit_code"),
        reason=str(said.get("reason", "")),
        message=str(said.get("message", "")),
        started_at=begun,
        ended_at=_time(said.get("ended_at")),
        cpu_seconds=said.get("cpu_seconds"),
        max_memory=said.get("max_memory"),
        log_bytes=row.output_end,
        fields=_fields(row),
    )


def _fields(row: ports.Runner) -> dict[str, Any]:
    image = {"image": row.work.get("image", "")}
    if row.state == "ended":
        return image
    idle = {"idle_since": row.idle_since.isoformat()} if row.idle_since else {}
    return image | {"droplet": row.external_id} | idle


def orphan(droplet: dict[str, Any]) -> ports.SandboxStatus:
    """A droplet of ours that no row knows. Its price is the vendor's own (`size.price_hourly` of the API)."""
    price = (droplet.get("size") or {}).get("price_hourly")
    costs = {} if price is None else {"usd_per_hour": str(price)}
    return ports.SandboxStatus(
        name=droplet["name"],
        state="unknown",
        tags=names.read(droplet.get("tags", ())),
        fields={"droplet": str(droplet["id"]), "status": droplet.get("status"), **costs},
    )


def is_off(droplet: dict[str, Any]) -> bool:
    """Powered off: it is paid for, and does nothing."""
    return droplet.get("status") in _OFF


def lingers(row: ports.Runner, silence: float) -> bool:
    """Whether the machine of a session that has ended still answers: its files may be wanted."""
    if row.work.get("shape") != "session" or row.external_id is None or row.heard_at is None:
        return False
    return row.start_at is not None and (row.now - row.heard_at).total_seconds() <= silence


def lost(row: ports.Runner, droplet: dict[str, Any] | None, silence: float, grace: float) -> Any:
    """The report of a runner that cannot say any more how it ended; None: it still may."""
    late = row.deadline is not None and row.now > row.deadline + datetime.timedelta(seconds=grace)
    if late:
        return _report(row, "DeadlineExceeded", "its time was over, and its runner said nothing")
    if droplet is None:
        return _report(row, "Lost", "its droplet is gone")
    if is_off(droplet):
        return _report(row, "Lost", "its droplet is powered off")
    heard = row.heard_at or row.start_at
    quiet = heard is not None and (row.now - heard).total_seconds() > silence
    if quiet and row.state in {"staged", "running"}:
        return _report(row, "Lost", "its runner does not answer")
    return None


def _report(row: ports.Runner, reason: str, message: str) -> dict[str, Any]:
    return {
        "state": "exited",
        "reason": row.stop_reason or reason,
        "message": message,
        "ended_at": row.now.timestamp(),
    }


def _time(seconds: float | None) -> datetime.datetime | None:
    return None if seconds is None else datetime.datetime.fromtimestamp(seconds, datetime.UTC)
