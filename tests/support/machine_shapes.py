"""The two shapes that a machine of `do_runner` has: what is asked for, by which client of ours, and where the emulator keeps it."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Mapping
from typing import Any

import droplet_emulator
import microvm_emulator

from workbenchx.providers.sandbox.do_runner import account, droplets, microvms, names, settings

INSTALLATION = "11111111-2222-3333-4444-555555555555"
NAME = "wbx-11111111-22222222-1"
_BOOTS = "registry.example.org/wbx-runner@sha256:" + "2" * 64
_TAGS = names.tags(INSTALLATION, "aa", {"wbx-resource": "r1", "note": "not: a tag"})


@dataclasses.dataclass(frozen=True)
class Shape:
    """One of them. `settings`: of a provider object; `body`: what our client is given to create one.

    `faults`: switches of the emulator that only machines of this shape meet.
    """

    name: str
    settings: Mapping[str, Any]
    body: Mapping[str, Any]
    client: type[droplets.Droplets | microvms.Microvms]
    faults: tuple[str, ...] = ()

    @property
    def asked(self) -> str:
        """The request for one, as the emulator counts it."""
        return f"POST /v2/{self.name}s"

    def machines(self, vendor: microvm_emulator.Emulator) -> dict[Any, Any]:
        """Those at the emulator, by id."""
        found: dict[Any, Any] = getattr(vendor, f"{self.name}s")
        return found

    @contextlib.asynccontextmanager
    async def opened(
        self,
        vendor: microvm_emulator.Emulator,
        token: str = droplet_emulator.TOKEN,
        **more: Any,
    ) -> AsyncIterator[Any]:
        """Our client of it."""
        of = account.Account(
            settings.read({**self.settings, "endpoint": vendor.url, **more}), lambda: token
        )
        try:
            yield self.client(of, INSTALLATION)
        finally:
            await of.close()


SHAPES = {
    each.name: each
    for each in (
        Shape(
            "droplet",
            {"region": "nyc2", "size": "s-2vcpu-4gb"},
            {
                "name": NAME,
                "region": "nyc2",
                "size": "s-2vcpu-4gb",
                "image": "ubuntu-24-04-x64",
                "tags": _TAGS,
            },
            droplets.Droplets,
        ),
        Shape(
            "microvm",
            {"shape": "microvm", "region": "nyc2", "size": "2vcpu-4gb", "image": _BOOTS},
            {
                "name": NAME,
                "region": "nyc2",
                "size": {"cpu": 2, "memory": 4096},
                "source": {"oci_ref": _BOOTS},
                "environment": {"WBX_RUNNER": "{}"},
                "auto_pause": {"enabled": True, "idle_timeout": "14400s"},
                "tags": _TAGS,
            },
            microvms.Microvms,
            ("closed", "quota", "executes_not"),
        ),
    )
}
SWITCHES: dict[str, dict[str, Any]] = {
    "busy": {"busy": 1},
    "busy without saying when": {"busy": 1, "says_when": False},
    "broken": {"broken": 1},
    "expired": {"expired": True},
    "slow": {"slow": 3600.0},
    "full": {"full": True},
    "closed": {"closed": True},
    "quota": {"quota": "You have reached the limit of MicroVMs."},
    "executes_not": {"executes_not": 1},
}
"""What the emulator is told for each fault."""


def patience(fault: str) -> float:
    """The seconds after which our client gives an answer up."""
    return 1.0 if fault == "slow" else 60.0


def misbehave(vendor: microvm_emulator.Emulator, **switches: Any) -> None:
    """From now on."""
    for name, value in switches.items():
        known = vendor.faults if hasattr(vendor.faults, name) else vendor.troubles
        assert hasattr(known, name)
        setattr(known, name, value)


def behave(vendor: microvm_emulator.Emulator) -> None:
    """No more faults."""
    vendor.faults, vendor.troubles = droplet_emulator.Faults(), microvm_emulator.Troubles()
