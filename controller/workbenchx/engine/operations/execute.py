"""One command to completion: RunnerJob, matrix run, reproduction."""

import asyncio
import dataclasses

from workbenchx import errors, ports
from workbenchx.engine import context, failpoints, logs, orders, outcomes, tracing
from workbenchx.engine.operations import launch
from workbenchx.planner import model

_METRICS_LIMIT = 1 << 20


async def perform(held: context.Held) -> context.Done:
    """Run the command, pump its output, collect metrics and outputs."""
    if held.cancel.is_set():
        return await _cancelled(held)
    spec = orders.sandbox_spec(
        held.run.document, name=held.sandbox, tags=held.tags, deadline=held.run.deadline
    )
    try:
        status = await launch.launch(held, spec)
    except launch.CancelledEarlyError:
        return await launch.given_up(held)
    if status is None:
        return context.Done(outcomes.lost("its sandbox is gone and its end is unknown"))
    with tracing.step("provider wait"):
        status = await _until_ended(held)
    failpoints.reach("run.ended")
    return context.Done(await _conclude(held, status), leaves=held.sandbox)


async def _cancelled(held: context.Held) -> context.Done:
    """Cancelled while nobody held it. What its command printed until now is kept."""
    if held.run.started and await held.provider.stop(held.sandbox, "Cancelled") is not None:
        status = await _until_ended(held)
        return context.Done(await _conclude(held, status), leaves=held.sandbox)
    return await launch.given_up(held)


async def _until_ended(held: context.Held) -> ports.SandboxStatus:
    """Wait for the end while the output flows; a cancel stops the process tree and waits for the provider's word."""
    async with asyncio.TaskGroup() as group:
        group.create_task(logs.pump(held))
        canceller = group.create_task(_stop_when_cancelled(held))
        status = await held.provider.wait(held.sandbox)
        canceller.cancel()
    return status


async def _stop_when_cancelled(held: context.Held) -> None:
    await held.cancel.wait()
    await held.provider.stop(held.sandbox, "Cancelled")


async def _conclude(held: context.Held, status: ports.SandboxStatus) -> ports.Outcome:
    outcome = outcomes.of_execution(status)
    log = [("log", await _log(held), "text/plain")] if status.log_bytes else []
    failpoints.reach("run.logged")
    outcome = dataclasses.replace(outcome, artifacts=log, metrics=await _metrics(held))
    if outcome.state is not model.ExecutionState.SUCCEEDED:
        return outcome
    try:
        collected = await _outputs(held)
    except errors.Stalled as problem:
        return dataclasses.replace(
            outcome,
            state=model.ExecutionState.FAILED,
            reason=problem.reason,
            message=problem.message,
        )
    failpoints.reach("run.collected")
    return dataclasses.replace(outcome, artifacts=[*log, *collected])


async def _log(held: context.Held) -> ports.Blob:
    with tracing.step("upload log"):
        return await logs.artifact(held)


async def _outputs(held: context.Held) -> list[tuple[str, ports.Blob, str]]:
    collected = []
    for item in held.run.document.get("outputs") or ():
        stream = held.provider.read_file(held.sandbox, item["path"])
        with tracing.step("upload output"):
            blob = await (await held.storage()).put(stream)
        collected.append((str(item["name"]), blob, media_type(item["path"])))
    return collected


async def _metrics(held: context.Held) -> dict[str, float]:
    """What the program wrote, or nothing: a missing or broken metrics file never fails a run."""
    try:
        document = b""
        async for data in held.provider.read_file(held.sandbox, orders.METRICS_FILE):
            document += data
            if len(document) > _METRICS_LIMIT:
                return {}
        return outcomes.metrics(document)
    except (errors.Stalled, ValueError):
        return {}


_MEDIA_TYPES = {
    "json": "application/json",
    "csv": "text/csv",
    "txt": "text/plain",
    "html": "text/html",
    "md": "text/markdown",
    "png": "image/png",
    "parquet": "application/vnd.apache.parquet",
}


def media_type(path: str) -> str:
    """The media type by the file name's ending; bytes if unknown."""
    return _MEDIA_TYPES.get(path.rpartition(".")[2].lower(), "application/octet-stream")
