"""Move the end of a living thing."""

import datetime

from workbenchx import errors, ports
from workbenchx.api import reasons
from workbenchx.engine import context
from workbenchx.planner import model


async def perform(held: context.Held) -> context.Done:
    """Tell the provider the new deadline; the resource's facts say it."""
    wanted = held.run.document.get("deadline")
    external = held.run.external_id
    if not external or not wanted:
        raise errors.Stalled("extend: there is nothing to extend", reason="NotRunning")
    spare = datetime.timedelta(seconds=held.run.document.get("spare") or 0.0)
    await held.provider.extend(external, datetime.datetime.fromisoformat(wanted) + spare)
    outcome = ports.Outcome(
        state=model.ExecutionState.SUCCEEDED,
        reason=reasons.Reason.SUCCEEDED,
        message=f"ends at {wanted}",
        facts={"expires_at": wanted},
    )
    return context.Done(outcome)
