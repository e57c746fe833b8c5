"""Take a living thing down for good."""

import dataclasses
from typing import Any

from workbenchx import ports
from workbenchx.api import reasons
from workbenchx.engine import context, failpoints, tracing
from workbenchx.engine.operations import parting, snapshot
from workbenchx.planner import model


async def perform(held: context.Held) -> context.Done:
    """Delete the sandbox that the order names, once what it wants to do before has been done."""
    said = await parting.perform(held, held.run.external_id) if held.run.external_id else ""
    done = await removed(held)
    outcome = dataclasses.replace(done.outcome, message=f"{done.outcome.message}{said}")
    return context.Done(outcome, done.leaves)


async def removed(held: context.Held) -> context.Done:
    """It is gone; gone already is a success. `save`: its files are kept first."""
    external = held.run.external_id
    failpoints.reach("delete.before")
    kept = await _saved(held, external) if external and held.run.document.get("save") else []
    if external:
        with tracing.step("provider delete"):
            await held.provider.delete(external)
        await held.context.store.record_objects(held.provider.adapter, [external], state="gone")
    failpoints.reach("delete.after")
    outcome = ports.Outcome(
        state=model.ExecutionState.SUCCEEDED,
        reason=reasons.Reason.SUCCEEDED,
        message="deleted",
        artifacts=kept,
        facts={
            "external_id": None,
            "url": None,
            "urls": None,
            "expires_at": None,
            **_kept(kept),
        },
    )
    return context.Done(outcome)


async def _saved(held: context.Held, external: str) -> list[tuple[str, ports.Blob, str]]:
    """The working folder as an artifact. What is gone already cannot be saved, and is no reason not to go on."""
    if await held.provider.status(external) is None:
        return []
    await held.provider.stop(external, "Stopped")
    return [await snapshot.taken(held, external)]


def _kept(kept: list[tuple[str, ports.Blob, str]]) -> dict[str, Any]:
    return {"snapshot": kept[0][1].sha256} if kept else {}
