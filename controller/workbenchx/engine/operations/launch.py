"""Bring this attempt's sandbox into being and start its command: at most once, whoever calls and however often."""

from workbenchx import errors, ports
from workbenchx.engine import context, failpoints, orders, secrets, tracing


async def launch(held: context.Held, spec: ports.SandboxSpec) -> ports.SandboxStatus | None:
    """The started sandbox; None if its command was started before and the sandbox is gone (lost).

    Raises:
        errors.Conflict: another worker holds the run now.
    """
    values = secrets.resolve(held.run.document, held.run.project, held.context.lookup)
    status = await held.provider.status(held.sandbox)
    if status is None:
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
    """A run taken over from a dead worker claims first: if it was claimed before, what it started is gone."""
    if held.run.reattach:
        if not await _claim(held, spec):
            return None
        return await _create(held, spec)
    status = await _create(held, spec)
    failpoints.reach("run.created")
    if not await _claim(held, spec):
        raise errors.Conflict("run: another worker started this attempt")
    return status


async def _create(held: context.Held, spec: ports.SandboxSpec) -> ports.SandboxStatus:
    with tracing.step("provider create", adapter=held.provider.adapter):
        return await held.provider.create(spec)


async def _claim(held: context.Held, spec: ports.SandboxSpec) -> bool:
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
