"""What a live account tells of a microVM beyond the verbs of the port: what nobody could try before (decision 192)."""

import asyncio
from typing import Any

from workbenchx import errors
from workbenchx.providers.sandbox.do_runner import microvms, settings, shapes

_LOOK_SECONDS = 1.0


async def machine(api: microvms.Microvms, chosen: settings.Settings, name: str) -> str:
    """Pause the one of that name and let it go on; what it shows, in a line. Whoever asks limits the time.

    Raises:
        errors.Stalled: reason SandboxUnavailable: it is not there, or does not pause.
    """
    found = await api.named(name)
    if not found:
        raise _wrong(f'there is no microVM "{name}"')
    one = found[0]
    await api.pause(one["id"])
    if (state := await _state(api, one["id"])) not in {"pausing", "paused"}:
        raise _wrong(f'microVM "{name}" was paused, and is {state}')
    while await _state(api, one["id"]) != "running":
        await api.resume(one["id"])
        await asyncio.sleep(_LOOK_SECONDS)
    told = [_image(one, chosen), *_account(one, chosen, await api.options())]
    return f"paused and resumed; {'; '.join(told)}"


async def _state(api: microvms.Microvms, microvm: str) -> str:
    return str((await api.get(microvm) or {}).get("state", "gone"))


def _image(one: dict[str, Any], chosen: settings.Settings) -> str:
    shown = (one.get("source") or {}).get("oci_ref")
    if shown == chosen.image and "@sha256:" in chosen.image:
        return "the boot image that it shows is the one that was asked for, by digest"
    return f'its boot image is not verified: it shows "{shown}", settings.image is "{chosen.image}"'


def _account(one: dict[str, Any], chosen: settings.Settings, options: dict[str, Any]) -> list[str]:
    size = one.get("size") or {}
    price = shapes.prices(options).get((size.get("cpu", 0), size.get("memory", 0)))
    told = [f"an hour of it costs {price} USD there" if price else "it shows no price"]
    most = (options.get("account_limits") or {}).get("max_idle_timeout_seconds")
    if most is not None and most < chosen.pause_after:
        told.append(f"settings.pauseAfter is more than this account may have, {most} s")
    return told


def _wrong(message: str) -> errors.Stalled:
    return errors.Stalled(f"do_runner: {message}", reason="SandboxUnavailable")
