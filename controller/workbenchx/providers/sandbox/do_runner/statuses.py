"""From a row of the desk, and a machine where only that is there, to what a sandbox is. Pure."""

import datetime
from typing import Any

from workbenchx import ports
from workbenchx.providers.sandbox.do_runner import machines

_STATES = {"ordered": "created", "claimed": "created", "staged": "created", "running": "running"}


def of(row: ports.Runner, machine: machines.Machine | None = None) -> ports.SandboxStatus:
    """As the desk has it. `machine`: as the vendor shows it, where that was asked; that one is paused is told."""
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
        fields=_fields(row, machine),
    )


def _fields(row: ports.Runner, seen: machines.Machine | None) -> dict[str, Any]:
    image = {"image": row.work.get("image", "")}
    if row.state == "ended":
        return image
    idle = {"idle_since": row.idle_since.isoformat()} if row.idle_since else {}
    machine = _machine(row.external_id) if row.external_id else {"droplet": None}
    paused = {"status": seen.said} if seen is not None and seen.state == "paused" else {}
    return image | machine | idle | paused


def orphan(machine: machines.Machine) -> ports.SandboxStatus:
    """A machine of ours that no row knows. Its price is the vendor's own."""
    costs = {} if machine.usd_per_hour is None else {"usd_per_hour": machine.usd_per_hour}
    return ports.SandboxStatus(
        name=machine.name,
        state="unknown",
        tags=machine.tags,
        fields={**_machine(machine.id), "status": machine.said, **costs},
    )


def _machine(id: str) -> dict[str, Any]:  # noqa: A002 - as the field is called
    return {machines.shape(id): machines.number(id)}


def lingers(row: ports.Runner, silence: float) -> bool:
    """Whether the machine of a session that has ended still answers: its files may be wanted."""
    if row.work.get("shape") != "session" or row.external_id is None or row.heard_at is None:
        return False
    return row.start_at is not None and (row.now - row.heard_at).total_seconds() <= silence


def lost(
    row: ports.Runner, machine: machines.Machine | None, silence: float, grace: float
) -> dict[str, Any] | None:
    """The report of a runner that cannot say any more how it ended; None: it still may. A machine that is paused may."""
    late = row.deadline is not None and row.now > row.deadline + datetime.timedelta(seconds=grace)
    if late:
        return _report(row, "DeadlineExceeded", "its time was over, and its runner said nothing")
    if machine is None:
        return _report(row, "Lost", "its machine is gone")
    if machine.state == "off":
        told = f"its machine is {machine.said}{f': {machine.why}' if machine.why else ''}"
        return _report(row, "Lost", told)
    heard = row.heard_at or row.start_at
    quiet = heard is not None and (row.now - heard).total_seconds() > silence
    if quiet and machine.state == "on" and row.state in {"staged", "running"}:
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
