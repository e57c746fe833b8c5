"""A new object for an old one: the old one goes first, so that names, ports and quota are free."""

import dataclasses

from workbenchx.engine import context
from workbenchx.engine.operations import create, delete


async def perform(held: context.Held) -> context.Done:
    """Delete the sandbox that the order replaces, where it is, then create the new attempt's."""
    if held.run.external_id != held.sandbox:
        await delete.perform(_where_it_was(held))
    return await create.perform(held)


def _where_it_was(held: context.Held) -> context.Held:
    """The same run at the provider that the old object lives at, should it move to another."""
    had = held.run.document.get("leaves")
    if not had:
        return held
    document = {**held.run.document, "adapter": had, "stand_in": None}
    return dataclasses.replace(held, run=dataclasses.replace(held.run, document=document))
