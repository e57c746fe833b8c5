"""Take a living thing down for good."""

from workbenchx import ports
from workbenchx.api import reasons
from workbenchx.engine import context, failpoints
from workbenchx.planner import model


async def perform(held: context.Held) -> context.Done:
    """Delete the sandbox that the order names; gone already is a success."""
    external = held.run.external_id
    failpoints.reach("delete.before")
    if external:
        await held.provider.delete(external)
        await held.context.store.record_object(held.provider.adapter, external, state="gone")
    failpoints.reach("delete.after")
    outcome = ports.Outcome(
        state=model.ExecutionState.SUCCEEDED,
        reason=reasons.Reason.SUCCEEDED,
        message="deleted",
        facts={"external_id": None, "url": None, "urls": None, "expires_at": None},
    )
    return context.Done(outcome)
