"""What a run printed: recorded chunks while they are there, the log's artifact after, the sandbox itself for services."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from workbenchx.cli import failure, records

if TYPE_CHECKING:
    from workbenchx.wiring import app as wiring

_SERVING = frozenset({"create", "replace"})
_LOG = "log"
_POLL_SECONDS = 0.2


async def of(app: "wiring.App", run: records.Row, *, follow: bool) -> AsyncIterator[bytes]:
    """What the run printed; with `follow`, until it has ended. Of a service: what it prints now."""
    run_id, offset = str(run["run_id"]), 0
    if run["operation"] in _SERVING:
        async for data in _service_output(app, run, follow=follow):
            yield data
        return
    while True:
        ended = not records.is_open(await app.reads.run(run_id))
        while data := await app.reads.log(run_id, offset):
            offset += len(data)
            yield data
        if ended or not follow:
            break
        await asyncio.sleep(_POLL_SECONDS)
    if not offset:
        async for data in _kept_output(app, run_id):
            yield data


async def _kept_output(app: "wiring.App", run_id: str) -> AsyncIterator[bytes]:
    """The log's artifact: what is left once the chunks are dropped."""
    for item in await app.reads.artifacts(run_id=run_id):
        if item["name"] == _LOG and not item["removed_at"]:
            async for data in app.storage.open(item["sha256"]):
                yield data


async def _service_output(
    app: "wiring.App", run: records.Row, *, follow: bool
) -> AsyncIterator[bytes]:
    """A service's output lies with its sandbox as long as that lives."""
    provider = app.sandboxes.get(run["provider"])
    name = run["external_id"]
    if provider is None or not name or await provider.status(name) is None:
        raise failure.Failure(
            f"the sandbox of run {run['run_id']} is gone, and its output with it",
            hint="wbx runs lists runs",
        )
    if follow:
        async for data in provider.follow_log(name):
            yield data
        return
    offset = 0
    while data := await provider.read_log(name, offset):
        offset += len(data)
        yield data
