"""Bring this attempt's sandbox into being and start its command: at most once, whoever calls and however often."""

import asyncio

from workbenchx import errors, ports
from workbenchx.api import reasons
from workbenchx.engine import context, failpoints, orders, secrets, tracing
from workbenchx.planner import model


class CancelledEarlyError(Exception):
    """The run was cancelled before its command started: `given_up` ends what there is of it."""


async def launch(held: context.Held, spec: ports.SandboxSpec) -> ports.SandboxStatus | None:
    """The started sandbox; None if its command was started before and the sandbox is gone (lost).

    Raises:
        errors.Conflict: another worker holds the run now.
        CancelledEarlyError: a person cancelled it meanwhile.
    """
    run = held.run
    values = await secrets.resolve(
        run.document, project=run.project, namespace=run.key.namespace, places=held.context.places
    )
    status = await _found(held)
    if status is None or (status.state == "unknown" and not held.run.started):
        status = await _create_and_claim(held, spec)
    else:
        await _claim(held, spec)
    failpoints.reach("run.start-claimed")
    if status is not None and status.state == "created":
        with tracing.step("provider start"):
            status = await held.provider.start(held.sandbox, _environment(held, values))
        failpoints.reach("run.started")
    return status


async def _create_and_claim(
    held: context.Held, spec: ports.SandboxSpec
) -> ports.SandboxStatus | None:
    """What was claimed before and is not there is gone: nothing is started in its place."""
    if held.run.started:
        return None
    status = await _create(held, spec)
    failpoints.reach("run.created")
    if not await _claim(held, spec):
        raise errors.Conflict("run: another worker started this attempt")
    return status


async def _found(held: context.Held) -> ports.SandboxStatus | None:
    """The sandbox, if there is one. What a dead worker may have made a moment ago is waited for until it is sure to be listed."""
    status = await held.provider.status(held.sandbox)
    if status is None and held.run.reattach and held.provider.capabilities.list_lag:
        await asyncio.sleep(held.provider.capabilities.list_lag)
        status = await held.provider.status(held.sandbox)
    return status


async def _create(held: context.Held, spec: ports.SandboxSpec) -> ports.SandboxStatus:
    """Make it. A create that failed may have made it all the same: another is tried once it would be listed."""
    try:
        with tracing.step("provider create", adapter=held.provider.adapter):
            return await _unless_cancelled(held, spec)
    except errors.Waiting as problem:
        pause = max(problem.retry_after, held.provider.capabilities.list_lag)
        raise errors.Waiting(problem.message, reason=problem.reason, retry_after=pause) from problem


async def _unless_cancelled(held: context.Held, spec: ports.SandboxSpec) -> ports.SandboxStatus:
    """A machine may take minutes to boot: a cancel breaks that off, as the end of this process would."""
    creating = asyncio.ensure_future(held.provider.create(spec))
    cancelled = asyncio.ensure_future(held.cancel.wait())
    try:
        await asyncio.wait({creating, cancelled}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        broken_off = creating.cancel()
        cancelled.cancel()
        await asyncio.gather(creating, cancelled, return_exceptions=True)
    if broken_off or held.cancel.is_set():
        raise CancelledEarlyError
    return creating.result()


async def given_up(held: context.Held) -> context.Done:
    """End what there is of a cancelled run whose command does not run.

    A create that broke off may be carried out all the same: what it made is ended once it is sure to be listed.
    """
    lag = held.provider.capabilities.list_lag
    await held.provider.delete(held.sandbox)
    if lag:
        await asyncio.sleep(lag)
        await held.provider.delete(held.sandbox)
    started = "its sandbox is gone" if held.run.started else "before its command started"
    outcome = ports.Outcome(
        state=model.ExecutionState.CANCELLED,
        reason=reasons.Reason.CANCELLED,
        message=f"cancelled: {started}",
    )
    return context.Done(outcome, leaves=held.sandbox)


async def _claim(held: context.Held, spec: ports.SandboxSpec) -> bool:
    held.begun.set()
    return await held.context.store.claim_start(
        held.run.run_id,
        held.run.fencing,
        external_id=held.sandbox,
        provider=held.provider.adapter,
        command=spec.command,
    )


def _environment(held: context.Held, values: dict[str, str]) -> dict[str, str]:
    run = held.run
    return orders.environment(run.document, run_id=run.run_id, project=run.project, secrets=values)
