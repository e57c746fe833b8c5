"""Keep the files of a living thing while it goes on."""

from workbenchx import errors, ports
from workbenchx.api import reasons
from workbenchx.engine import context
from workbenchx.planner import model

Artifact = tuple[str, ports.Blob, str]


async def perform(held: context.Held) -> context.Done:
    """The working folder as an artifact. What is written to meanwhile may be kept half: nothing is stopped for it.

    The next object of the session begins with these files. Performed again, it keeps what is there then.
    """
    external = held.run.external_id
    if not external or await held.provider.status(external) is None:
        raise errors.Stalled("snapshot: it does not run any more", reason="NotRunning")
    if held.cancel.is_set():
        return context.Done(_cancelled())
    kept = await taken(held, external)
    outcome = ports.Outcome(
        state=model.ExecutionState.SUCCEEDED,
        reason=reasons.Reason.SUCCEEDED,
        message=f"kept {kept[1].bytes} bytes",
        artifacts=[kept],
        facts={"snapshot": kept[1].sha256},
    )
    return context.Done(outcome)


async def taken(held: context.Held, external: str) -> Artifact:
    """The tar of its working folder, stored under its sha256.

    Raises:
        errors.Stalled: reason SnapshotsUnsupported: the adapter cannot give out files. Nothing is lost yet.
    """
    if not held.provider.capabilities.snapshots:
        raise errors.Stalled(
            f'snapshot: the adapter "{held.provider.adapter}" cannot give out the files of a sandbox',
            reason=reasons.Reason.SNAPSHOTS_UNSUPPORTED,
        )
    blob = await (await held.storage()).put(held.provider.archive(external))
    return "snapshot", blob, "application/x-tar"


def _cancelled() -> ports.Outcome:
    return ports.Outcome(
        state=model.ExecutionState.CANCELLED,
        reason=reasons.Reason.CANCELLED,
        message="cancelled before anything was kept",
    )
