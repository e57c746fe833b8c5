"""What a run printed: recorded chunks while they are there, the log's artifact after, the sandbox itself for services."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from workbenchx import errors

if TYPE_CHECKING:
    from workbenchx import ports

_SERVING = frozenset({"create", "replace"})
_LOG = "log"
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
    if not offset and run["operation"] not in _SERVING:
        async for data in _kept(access, str(run["run_id"])):
            yield data


async def _kept(access: "ports.Access", run_id: str) -> AsyncIterator[bytes]:
    """The log's artifact: what is left once the chunks are dropped."""
    for item in await access.reads.artifacts(run_id=run_id):
        if item["name"] == _LOG:
            async for data in access.blob(item):
                yield data
