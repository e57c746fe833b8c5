"""`wbx up --stop`: end what runs and record how, without starting anything new."""

import asyncio

from workbenchx import errors
from workbenchx.engine import context, worker
from workbenchx.wiring import app, process

_LEASE_SECONDS = 60.0
_EXECUTING = ("execute", "reproduce")
_MOST = 10_000


async def executions(opened: app.App) -> list[str]:
    """Cancel the executions that nobody serves any more, to their recorded end; their run ids.

    Their leases are over, and a claim takes those up first; what is only queued goes back and stays queued.
    """
    await process.bury_the_dead(opened.store)
    running = [
        run
        for run in await opened.reads.runs(state="running", limit=_MOST)
        if run["operation"] in _EXECUTING
    ]
    if not running:
        return []
    name = process.identity("stop")
    claimed = await opened.store.claim(
        name, limit=len(running), lease=_LEASE_SECONDS, operations=_EXECUTING
    )
    held = [context.Held(opened.surroundings(), run) for run in claimed]
    try:
        await asyncio.gather(*(_end(each) for each in held))
    finally:
        await opened.store.release(name)
    return [each.run.run_id for each in held if each.run.reattach]


async def sandboxes(opened: app.App) -> tuple[int, dict[str, str]]:
    """End every sandbox of this installation; how many ran, and by adapter why it could not be asked.

    Their rows say what they were.
    """
    ended, unasked = 0, {}
    for adapter, provider in opened.sandboxes.items():
        try:
            for status in (await provider.observe()).objects:
                if status.state in {"running", "created"}:
                    await provider.stop(status.name, "Stopped")
                    ended += 1
        except errors.WorkbenchError as problem:
            unasked[adapter] = problem.message
    return ended, unasked


async def _end(held: context.Held) -> None:
    if not held.run.reattach:
        run = held.run
        await held.context.store.requeue(run.run_id, run.fencing, reason="", message="", delay=0.0)
        return
    held.cancel.set()
    await worker.perform(held)
