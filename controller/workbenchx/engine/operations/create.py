"""Bring a living thing up: Session, AppDeployment."""

import asyncio
import datetime
from typing import Any

from workbenchx import ports
from workbenchx.api import reasons
from workbenchx.engine import context, failpoints, orders, outcomes, tracing
from workbenchx.engine.operations import launch
from workbenchx.planner import model

_PROBE_EVERY = 0.2
_PROBE_FOR = 60.0
_RESTARTS = 3


async def perform(held: context.Held) -> context.Done:
    """Create, start, probe; the resource's facts say where it lives and until when."""
    spec = orders.sandbox_spec(
        held.run.document, name=held.sandbox, tags=held.tags, deadline=_deadline(held)
    )
    try:
        status = await launch.launch(held, spec)
    except launch.CancelledEarlyError:
        return await launch.given_up(held)
    failpoints.reach("service.started")
    if status is None:
        return context.Done(outcomes.lost("its sandbox is gone"))
    if status.state != "running":
        return context.Done(outcomes.of_execution(status))
    await held.context.store.record_objects(held.provider.adapter, [held.sandbox], state="exists")
    with tracing.step("probe"):
        healthy = await _healthy(held, status)
    if not healthy:
        return await _unhealthy(held)
    return context.Done(_running(held, status))


def _end(held: context.Held) -> datetime.datetime | None:
    ttl = held.run.document.get("ttl")
    begun = held.run.started_at or held.context.clock.now()
    return begun + datetime.timedelta(seconds=ttl) if ttl else None


def _deadline(held: context.Held) -> datetime.datetime | None:
    """When its provider ends it, if nobody did before."""
    end = _end(held)
    spare = datetime.timedelta(seconds=held.run.document.get("spare") or 0.0)
    return end + spare if end else None


def _running(held: context.Held, status: ports.SandboxStatus) -> ports.Outcome:
    return ports.Outcome(
        state=model.ExecutionState.SUCCEEDED,
        reason=reasons.Reason.SUCCEEDED,
        message="running",
        facts=_facts(held, status),
        started_at=status.started_at,
    )


def _facts(held: context.Held, status: ports.SandboxStatus) -> dict[str, Any]:
    end = _end(held)
    return {
        "external_id": held.sandbox,
        "url": status.url,
        "urls": {str(port): address for port, address in status.urls.items()},
        "image": held.run.document["runtime"]["image"],
        "started_at": (status.started_at or held.context.clock.now()).isoformat(),
        "expires_at": end.isoformat() if end else None,
        "warning": status.message or None,
    }


async def _healthy(held: context.Held, status: ports.SandboxStatus) -> bool:
    """Probe until the health check passes, its time is over, the program ends, or a person cancels."""
    health = held.run.document.get("health")
    urls = dict(status.urls)
    if not health or not urls:
        return True
    url = urls.get(health.get("port") or 0) or next(iter(urls.values()))
    target = url.rstrip("/") + (health.get("path") or "/")
    ending = asyncio.create_task(_ended(held))
    try:
        async with asyncio.timeout(float(health.get("startup") or _PROBE_FOR)):
            while not await held.context.probe(target, float(health.get("timeout") or 2.0)):
                done, _ = await asyncio.wait({ending}, timeout=_PROBE_EVERY)
                if done or await _keeps_ending(held):
                    return False
    except TimeoutError:
        return False
    finally:
        ending.cancel()
    return True


async def _keeps_ending(held: context.Held) -> bool:
    status = await held.provider.status(held.sandbox)
    return status is not None and int(status.fields.get("restarts") or 0) >= _RESTARTS


async def _ended(held: context.Held) -> None:
    waits = [
        asyncio.create_task(held.provider.wait(held.sandbox)),
        asyncio.create_task(held.cancel.wait()),
    ]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def _unhealthy(held: context.Held) -> context.Done:
    """It never became healthy: end it, keep its output, say why."""
    reason = "Cancelled" if held.cancel.is_set() else "Unhealthy"
    await held.provider.stop(held.sandbox, reason)
    tail = await _tail(held)
    if held.cancel.is_set():
        outcome = ports.Outcome(model.ExecutionState.CANCELLED, reasons.Reason.CANCELLED)
    else:
        outcome = outcomes.failed(reasons.Reason.UNHEALTHY, f"never became healthy: {tail}")
    return context.Done(outcome, leaves=held.sandbox)


async def _tail(held: context.Held) -> str:
    status = await held.provider.status(held.sandbox)
    start = max(0, (status.log_bytes if status else 0) - 400)
    data = await held.provider.read_log(held.sandbox, start, 400)
    lines = data.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it printed nothing"
