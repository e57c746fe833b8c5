"""What a run printed, as it comes or as it was kept."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from workbenchx import errors

if TYPE_CHECKING:
    from workbenchx import ports

_WAIT_SECONDS = 20.0


async def of(access: "ports.Access", run: "ports.Row", *, follow: bool) -> AsyncIterator[bytes]:
    """What the run printed; with `follow`, until it has ended. Of a service: what it prints now."""
    offset = 0
    while True:
        try:
            part = await access.log(run, offset, wait=_WAIT_SECONDS if follow else 0.0)
        except errors.Stalled as problem:
            if offset and problem.reason == "SandboxMissing":
                break
            raise
        if part.data:
            yield part.data
            offset = part.next
        if part.ended or not (part.data or follow):
            break
