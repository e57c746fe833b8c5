"""Machines of either shape, as the adapter knows them: a droplet, or a microVM. Pure."""

import dataclasses
from collections.abc import Mapping
from typing import Literal

from workbenchx import ports
from workbenchx.providers.sandbox.do_runner import userdata

DROPLET, MICROVM = "droplet", "microvm"
State = Literal["on", "off", "paused"]


@dataclasses.dataclass(frozen=True, slots=True)
class Machine:
    """One that exists. `id`: as the desk keeps it. `said`: the vendor's word for its state, `why` for a failure.

    `on` is whatever may still work. `off` never will again, and is paid for until it is destroyed. `usd_per_hour` None: the vendor shows none.
    """

    id: str
    name: str
    tags: Mapping[str, str]
    state: State
    said: str
    why: str = ""
    usd_per_hour: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Ordered:
    """One to be made. `told`: what it is told at its first boot, at `now` (seconds since 1970)."""

    spec: ports.SandboxSpec
    attempt: str
    told: userdata.Told
    now: float


def shape(id: str) -> str:  # noqa: A002 - as the field is called
    """Which shape the machine of an id has."""
    return MICROVM if id.startswith(f"{MICROVM}:") else DROPLET


def number(id: str) -> str:  # noqa: A002 - as the field is called
    """The vendor's own id of it."""
    return id.removeprefix(f"{MICROVM}:")


def pauses(id: str | None) -> bool:  # noqa: A002 - as the field is called
    """Whether it may pause by itself."""
    return id is not None and shape(id) == MICROVM
