"""End a living thing; its row stays, and what it was asked to keep is kept."""

import dataclasses

from workbenchx.engine import context
from workbenchx.engine.operations import delete, parting


async def perform(held: context.Held) -> context.Done:
    """Stop, then remove the sandbox. The resource's facts say when."""
    said = ""
    if held.run.external_id:
        said = await parting.perform(held, held.run.external_id)
        await held.provider.stop(held.run.external_id, "Stopped")
    done = await delete.removed(held)
    facts = dict(done.outcome.facts) | {"stopped_at": held.context.clock.now().isoformat()}
    return context.Done(dataclasses.replace(done.outcome, message=f"stopped{said}", facts=facts))
