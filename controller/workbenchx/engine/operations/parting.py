"""What a session wants to have run in it before it is ended: `preStop`.

Told before and after; at most once in a run, since the run's id is the key under which the provider executes it. However
it ends, the session is ended then: work that is not saved by then is not worth more than a stop that can be relied on.
"""

import datetime
from typing import Any

from workbenchx import errors, ports
from workbenchx.api import event_types
from workbenchx.engine import context, failpoints, tracing

# How much longer than the command's own time a provider that does not answer is asked again.
_PATIENCE = 300.0
# An order of an older release has the command alone.
_SECONDS = 30.0


async def perform(held: context.Held, external: str) -> str:
    """Run it, if there is one and the session runs; its output becomes the output of this run.

    What is to be added to what the run says of its end: "" if all went well.
    """
    wanted = held.run.document.get("pre_stop")
    if not wanted:
        return ""
    with tracing.step("pre-stop"):
        ended = await _executed(held, external, wanted)
    if ended.output:
        await held.context.store.append_log(held.run.run_id, held.run.attempt, 0, ended.output)
    data = {"reason": ended.reason, "exit_code": ended.exit_code, "message": ended.message}
    await _tell(held, event_types.EventType.PRE_STOP_ENDED, {"external_id": external, **data})
    failpoints.reach("prestop.ended")
    well = ended.reason == "Exited" and ended.exit_code == 0
    return "" if well else f"; its preStop did not succeed: {ended.message or ended.reason}"


async def _executed(held: context.Held, external: str, wanted: dict[str, Any]) -> ports.Executed:
    if not held.provider.capabilities.executes:
        message = f'the adapter "{held.provider.adapter}" executes nothing in what runs'
        return ports.Executed("Unsupported", message=message)
    seconds = float(wanted.get("seconds") or _SECONDS)
    status = await held.provider.status(external)
    if status is not None and status.state == "running":
        told = {"external_id": external, "provider": held.provider.adapter, **wanted}
        await _tell(held, event_types.EventType.PRE_STOP_STARTED, told)
        failpoints.reach("prestop.intended")
    try:
        return await held.provider.execute(
            external, held.run.run_id, wanted["command"], seconds=seconds
        )
    except errors.Stalled as problem:
        return ports.Executed(problem.reason, message=problem.message)
    except errors.Waiting as problem:
        if not _over(held, seconds):
            raise
        return ports.Executed("Lost", message=f"nobody can say how it ended: {problem.message}")


def _over(held: context.Held, seconds: float) -> bool:
    """Whether the stop has waited long enough for word of the command."""
    now = held.context.clock.now()
    begun = held.run.started_at or now
    return now - begun > datetime.timedelta(seconds=seconds + _PATIENCE)


async def _tell(held: context.Held, type_: event_types.EventType, data: dict[str, Any]) -> None:
    event = ports.Event(held.run.run_id, type_, data)
    await held.context.store.append_once(held.run.fencing, event)
