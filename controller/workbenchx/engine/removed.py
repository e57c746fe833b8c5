"""What to say of bytes that retention removed: since when, and how to have them again."""

import datetime

from workbenchx import errors
from workbenchx.engine import context


def refusal(name: str, run_id: str | None, at: datetime.datetime) -> errors.Stalled:
    """The error of whoever asks for the bytes of a removed artifact."""
    again = f"; wbx reproduce {run_id} makes them again" if run_id else ""
    return errors.Stalled(
        f'artifact: the bytes of "{name}" were removed at {at:%Y-%m-%d %H:%M} UTC by the project\'s retention{again}',
        reason="ArtifactRemoved",
    )


async def explained(held: context.Held, problem: errors.Stalled) -> errors.Stalled:
    """The same problem, or that an input of the run is missing because it was removed."""
    if problem.reason != "ArtifactMissing":
        return problem
    inputs = held.run.document.get("inputs") or ()
    named = [str(item["sha256"]) for item in inputs if item.get("sha256")]
    gone = await held.context.store.removed_artifact(named)
    return refusal(*gone) if gone else problem
