"""A new object for an old one: the old one goes first, so that names, ports and quota are free."""

from workbenchx.engine import context
from workbenchx.engine.operations import create, delete


async def perform(held: context.Held) -> context.Done:
    """Delete the sandbox that the order replaces, then create the new attempt's."""
    if held.run.external_id != held.sandbox:
        await delete.perform(held)
    return await create.perform(held)
