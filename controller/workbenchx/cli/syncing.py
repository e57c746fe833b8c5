"""Look at a repository now, and wait until what it declares is in force."""

import asyncio
from typing import TYPE_CHECKING, Any

from workbenchx.cli import failure, interrupts, invocation, repositories, waiting
from workbenchx.planner import model

if TYPE_CHECKING:
    from workbenchx import ports
    from workbenchx.wiring import settings

_AGAIN_SECONDS = 0.1


async def given(access: "ports.Access", chosen: "settings.Settings", *, as_json: bool) -> int:
    """The repository of `wbx up`."""
    from workbenchx.wiring import app as wiring  # noqa: PLC0415 - loaded already where it is used

    if not isinstance(access, wiring.App) or await access.followed() is None:
        raise failure.Failure("no repository is followed here", hint="wbx sync Source/NAME")
    state = await access.look_now()
    await waiting.until_applied(access, chosen, [])
    if as_json:
        invocation.answer(plain(state))
    else:
        for line in repositories.lines(state):
            invocation.say(line)
    return 0 if repositories.sound(state) else 1


def plain(state: "ports.SourceState") -> dict[str, Any]:
    """A state as JSON."""
    return {
        "source": state.source,
        "url": state.spec.get("url"),
        "seen": state.seen,
        "applied": state.applied,
        "reason": state.reason,
        "message": state.message,
        "found": dict(state.found),
    }


async def ordered(access: "ports.Access", chosen: "settings.Settings", key: model.Key) -> None:
    """A Source: the look is ordered; where we work ourselves it is waited for."""
    from workbenchx.wiring import app as wiring  # noqa: PLC0415 - loaded already where it is used

    if isinstance(access, wiring.App):
        await _looked(access, chosen, key)
    else:
        await access.intervene("sync", key, {})
    await waiting.until_applied(access, chosen, [key])


async def _looked(app: Any, chosen: "settings.Settings", key: model.Key) -> None:
    """Work until a look that began after the order has ended."""
    source = f"{key.namespace}/{key.name}"
    before = await app.source(source)
    await app.intervene("sync", key, {})
    stop, watcher = asyncio.Event(), waiting.Watcher(invocation.paint_errors(chosen))

    async def watch() -> None:
        while True:
            if _after(before, await app.source(source)):
                return stop.set()
            await asyncio.sleep(_AGAIN_SECONDS)

    watching = asyncio.create_task(watch())
    try:
        with interrupts.gently(stop.set):
            await app.reconcile(
                until=None, progress=lambda seen: watcher(seen.standings), stop=stop
            )
    finally:
        watching.cancel()


def _after(before: "ports.SourceState | None", now: "ports.SourceState | None") -> bool:
    """Whether a look began after somebody asked."""
    if now is None or now.polled_at is None:
        return False
    if now.asked_at is None or (before is not None and now.asked_at == before.asked_at):
        return before is None
    return now.polled_at >= now.asked_at
