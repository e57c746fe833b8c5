"""What is asked of the vendor for each shape of machine, in words that are the same for both."""

import contextlib
import time
from collections.abc import Mapping
from typing import Any, Protocol

from workbenchx import errors
from workbenchx.providers.sandbox.do_runner import (
    droplets,
    machines,
    microvms,
    names,
    settings,
    userdata,
)

Json = dict[str, Any]
_OFF = frozenset({"off", "archive"})
_STATES: Mapping[str, machines.State] = {
    "paused": "paused",
    "pausing": "paused",
    "failed": "off",
    "terminating": "off",
    "terminated": "off",
}
_PRICES_SECONDS = 3600.0


class Shape(Protocol):
    """One shape. Ids are the vendor's own; errors are those of an account."""

    async def all(self) -> list[machines.Machine]:
        """Every machine of the installation."""

    async def named(self, name: str) -> list[machines.Machine]:
        """Those of that name."""

    async def get(self, number: str) -> machines.Machine | None:
        """One; None once it is gone."""

    async def create(self, ordered: machines.Ordered, region: str) -> machines.Machine:
        """Ask for one, once."""

    async def destroy(self, number: str) -> None:
        """Destroy one; of one that is gone: success."""

    async def wake(self, number: str) -> None:
        """Let one that is paused go on."""

    async def touch(self, number: str) -> None:
        """Use it, so that it does not pause."""


class Droplets:
    """Machines that are droplets. They never pause."""

    def __init__(
        self, api: droplets.Droplets, installation: str, chosen: settings.Settings
    ) -> None:
        self._api = api
        self._installation = installation
        self._chosen = chosen

    async def all(self) -> list[machines.Machine]:
        """See Shape.all."""
        return [_droplet(each) for each in (await self._api.all()).values()]

    async def named(self, name: str) -> list[machines.Machine]:
        """See Shape.named. The oldest first."""
        return [_droplet(each) for each in await self._api.named(name)]

    async def get(self, number: str) -> machines.Machine | None:
        """See Shape.get."""
        found = await self._api.get(int(number))
        return None if found is None else _droplet(found)

    async def create(self, ordered: machines.Ordered, region: str) -> machines.Machine:
        """See Shape.create."""
        return _droplet(await self._api.create(self._body(ordered, region)))

    async def destroy(self, number: str) -> None:
        """See Shape.destroy."""
        await self._api.destroy(int(number))

    async def wake(self, number: str) -> None:
        """See Shape.wake."""

    async def touch(self, number: str) -> None:
        """See Shape.touch."""

    def _body(self, ordered: machines.Ordered, region: str) -> Json:
        chosen, spec = self._chosen, ordered.spec
        body: Json = {
            "name": spec.name,
            "region": region,
            "size": chosen.size(spec),
            "image": chosen.gpu_image if spec.gpu else chosen.image,
            "tags": names.tags(self._installation, ordered.attempt, spec.tags),
            "user_data": userdata.script(ordered.told, ordered.now),
            "ssh_keys": list(chosen.ssh_keys),
            "monitoring": False,
            "backups": False,
            "with_droplet_agent": False,
        }
        return body | ({"vpc_uuid": chosen.vpc_uuid} if chosen.vpc_uuid else {})


class Microvms:
    """Machines that are microVMs: of the image that the settings name, whose own command is our boot program."""

    def __init__(
        self, api: microvms.Microvms, installation: str, chosen: settings.Settings
    ) -> None:
        self._api = api
        self._installation = installation
        self._chosen = chosen
        self._prices: tuple[float, Mapping[tuple[int, int], str]] = (0.0, {})

    async def all(self) -> list[machines.Machine]:
        """See Shape.all. With what each costs: prices are asked for once an hour, if there is anything."""
        found = (await self._api.all()).values()
        prices = await self._known_prices() if found else {}
        return [_microvm(each, prices) for each in found]

    async def named(self, name: str) -> list[machines.Machine]:
        """See Shape.named."""
        return [_microvm(each) for each in await self._api.named(name)]

    async def get(self, number: str) -> machines.Machine | None:
        """See Shape.get."""
        found = await self._api.get(number)
        return None if found is None else _microvm(found)

    async def create(self, ordered: machines.Ordered, region: str) -> machines.Machine:
        """See Shape.create."""
        return _microvm(await self._api.create(self._body(ordered, region)))

    async def destroy(self, number: str) -> None:
        """See Shape.destroy."""
        await self._api.destroy(number)

    async def wake(self, number: str) -> None:
        """See Shape.wake. One that cannot yet, since it still pauses, can later."""
        try:
            await self._api.resume(number)
        except errors.Stalled as problem:
            raise errors.Waiting(
                f"do_runner: microVM {number} cannot be woken: {problem.message}",
                reason="SandboxUnavailable",
            ) from problem

    async def touch(self, number: str) -> None:
        """See Shape.touch. Whatever the command answers: a request to run one is use; one that pauses is woken."""
        with contextlib.suppress(errors.Stalled):
            await self._api.run(number, ("true",))

    async def _known_prices(self) -> Mapping[tuple[int, int], str]:
        asked, known = self._prices
        if not known or time.monotonic() - asked > _PRICES_SECONDS:
            self._prices = (time.monotonic(), prices(await self._api.options()))
        return self._prices[1]

    def _body(self, ordered: machines.Ordered, region: str) -> Json:
        chosen, spec = self._chosen, ordered.spec
        cpus, memory = settings.parts(chosen.size(spec))
        body: Json = {
            "name": spec.name,
            "region": region,
            "size": {"cpu": cpus, "memory": memory},
            "source": {"oci_ref": chosen.image},
            "environment": userdata.environment(ordered.told),
            "auto_pause": {"enabled": True, "idle_timeout": f"{round(chosen.pause_after)}s"},
            "auto_resume": True,
            "networking": "vpc" if chosen.vpc_uuid else "public",
            "tags": names.tags(self._installation, ordered.attempt, spec.tags),
        }
        return body | ({"vpc_uuid": chosen.vpc_uuid} if chosen.vpc_uuid else {})


def prices(options: Json) -> Mapping[tuple[int, int], str]:
    """USD per hour of running, by processors and MiB, as the vendor says."""
    return {
        (int(each["cpu"]), int(each["memory"])): str(each["pricing"]["price_per_hour"])
        for each in options["sizes"]
        if (each.get("pricing") or {}).get("price_per_hour") is not None
    }


def _droplet(found: Json) -> machines.Machine:
    price = (found.get("size") or {}).get("price_hourly")
    said = str(found.get("status"))
    return machines.Machine(
        id=str(found["id"]),
        name=found["name"],
        tags=names.read(found.get("tags", ())),
        state="off" if said in _OFF else "on",
        said=said,
        usd_per_hour=None if price is None else str(price),
    )


def _microvm(found: Json, known: Mapping[tuple[int, int], str] | None = None) -> machines.Machine:
    size = found.get("size") or {}
    said = str(found.get("state"))
    return machines.Machine(
        id=f"{machines.MICROVM}:{found['id']}",
        name=found["name"],
        tags=names.read(found.get("tags") or ()),
        state=_STATES.get(said, "on"),
        said=said,
        why=str(found.get("failure_reason") or ""),
        usd_per_hour=(known or {}).get((size.get("cpu", 0), size.get("memory", 0))),
    )
