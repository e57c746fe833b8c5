"""What an option of this adapter may set, in `spec.settings` of a SandboxProvider with `adapter: do_runner`."""

import dataclasses
import decimal
import re
from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx import errors, ports
from workbenchx.providers.sandbox.do_runner.agent import registry

_SIZE = re.compile(r"(\d+)vcpu-(\d+)gb")
_PARTS = re.compile(r"(\d+)vcpu-(\d+)(gb|mb)")
_SHAPES = ("droplet", "microvm")
_IMAGE = "ubuntu-24-04-x64"
_SHORTEST_PAUSE, _LONGEST_PAUSE = 30.0, 14400.0
_GPUS = re.compile(r"x(\d+)-")
_NAMES = {"vpc": "vpc_uuid", "gpuImage": "gpu_image", "apiUrl": "api_url"}
_LISTS = ("regions", "sizes", "ssh_keys")
_ONE_OR_MORE = ("region", "size")


@dataclasses.dataclass(frozen=True, slots=True)
class Registry:
    """Where images need a sign-in. `password`: the name of the credential of the provider object that has it."""

    host: str
    username: str
    password: str


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """Seconds. `shape`: of its machines, droplet or microvm.

    A microvm's `image` is a container image whose command is our boot program, its sizes are written like 2vcpu-4gb, and it
    pauses after `pause_after` without use.

    `regions`: the one that is tried first before others. `sizes`: the vendor's names of machines, those that are tried first before others; GPU ones too.

    `api_url`: where a runner finds the API of this installation. `image`, `gpu_image`: of the vendor, with Python 3.11 or
    later. `endpoint`: of the vendor's API. `timeout`: of one call. `patience`: how long a droplet may take until its runner
    answers, before `create` says what it waits for (asked again, it goes on). `preparing`: how long a runner tries to have image and files. `silence`: how long a runner may say nothing until it counts as lost.
    `grace`: what is added to the deadline for what comes after the command. `pace`: from one sign of life of a runner to the
    next. `registries`: those that a runner signs in to. `prices`: of the provider object.
    """

    regions: tuple[str, ...]
    sizes: tuple[str, ...]
    api_url: str = ""
    shape: str = "droplet"
    image: str = _IMAGE
    gpu_image: str = "gpu-h100x1-base"
    vpc_uuid: str | None = None
    ssh_keys: tuple[str, ...] = ()
    endpoint: str = "https://api.digitalocean.com"
    timeout: float = 30.0
    patience: float = 300.0
    preparing: float = 900.0
    silence: float = 180.0
    grace: float = 900.0
    list_lag: float = 10.0
    pace: float = 2.0
    pause_after: float = _LONGEST_PAUSE
    registries: tuple[Registry, ...] = ()
    prices: tuple[Mapping[str, Any], ...] = ()

    def size(self, spec: ports.SandboxSpec) -> str:
        """The first machine that is large enough.

        Raises:
            errors.Stalled: reason InvalidSpec: none is.
        """
        for name in self.sizes:
            if _large_enough(name, spec):
                return name
        asked = f"{spec.cpu:g} processors, {spec.memory >> 20} MiB, {spec.gpu} GPUs"
        raise errors.Stalled(
            f"do_runner: no size of the provider object is large enough for {asked} (settings.sizes:"
            f" {', '.join(self.sizes)}); add one, with its price",
            reason="InvalidSpec",
        )

    def registry(self, host: str) -> Registry | None:
        """How to sign in there; None: as anybody."""
        return next((each for each in self.registries if each.host == host), None)

    def price(self, size: str) -> decimal.Decimal:
        """USD per hour of a machine; 0 where no price is known (the planner refuses that)."""
        for each in self.prices:
            if each.get("unit") == "instance-hour" and each.get("name") in {None, size}:
                return decimal.Decimal(str(each["usd"]))
        return decimal.Decimal(0)


def read(document: Mapping[str, Any], prices: Sequence[Mapping[str, Any]] = ()) -> Settings:
    """The settings of an option. `size` and `region` are short for a list of one.

    Raises:
        errors.Stalled: reason InvalidSpec.
    """
    found = {_NAMES.get(name, _snake(name)): value for name, value in document.items()}
    for name in _ONE_OR_MORE:
        one = found.pop(name, None)
        found[f"{name}s"] = [*([one] if one else []), *_words(found.get(f"{name}s"))]
    for name in _LISTS:
        found[name] = tuple(_words(found.get(name)))
    found["registries"] = tuple(map(_registry, found.get("registries") or ()))
    known = {field.name for field in dataclasses.fields(Settings)} - {"prices"}
    if unknown := sorted(set(found) - known):
        raise _invalid(
            f'"{unknown[0]}" is not known (known: region, size, {", ".join(sorted(known))})'
        )
    for name in _ONE_OR_MORE:
        if not found.get(f"{name}s"):
            raise _invalid(f'"{name}" is missing')
    if found.get("vpc_uuid") and len(found["regions"]) > 1:
        raise _invalid('"vpc" is of one region; name that one alone')
    if not str(found.get("endpoint", "https://")).startswith(("https://", "http://127.0.0.1:")):
        raise _invalid('"endpoint" must be https')
    made = Settings(**found, prices=tuple(prices))
    if made.shape not in _SHAPES:
        raise _invalid(f'"shape" is "{made.shape}", must be one of: {", ".join(_SHAPES)}')
    if made.shape == "microvm":
        _check_microvms(made)
    return made


def parts(size: str) -> tuple[int, int]:
    """(processors, MiB) of a size of a microVM.

    Raises:
        errors.Stalled: reason InvalidSpec.
    """
    found = _PARTS.fullmatch(size)
    if found is None:
        raise _invalid(f'"sizes" has "{size}": a microVM\'s is written like 2vcpu-4gb')
    return int(found[1]), int(found[2]) << (10 if found[3] == "gb" else 0)


def _check_microvms(made: Settings) -> None:
    for each in made.sizes:
        parts(each)
    if made.image == _IMAGE:
        raise _invalid(
            '"image" is missing: a microVM boots a container image that the Containerfile makes (--target runner)'
        )
    if made.ssh_keys:
        raise _invalid('"sshKeys" is of droplets; leave it out')
    if not _SHORTEST_PAUSE <= made.pause_after <= _LONGEST_PAUSE:
        raise _invalid(
            f'"pauseAfter" is {made.pause_after:g}, must be {_SHORTEST_PAUSE:g} to {_LONGEST_PAUSE:g} seconds'
        )


def check_api(chosen: Settings) -> None:
    """A runner that does not find us would cost until its deadline, for nothing.

    Raises:
        errors.Stalled: reason InvalidSpec.
    """
    if not chosen.api_url.startswith(("https://", "http://127.0.0.1:")):
        told = f'is "{chosen.api_url}"' if chosen.api_url else "is missing"
        raise _invalid(
            f'"apiUrl" {told}, must be https: where droplets reach the API (wbx console)'
        )


def check_storage(adapter: str) -> None:
    """A machine that could bring nothing home would cost for nothing.

    Raises:
        errors.Stalled: reason InvalidSpec.
    """
    if adapter == "local":
        raise errors.Stalled(
            "do_runner: its machines bring their outputs by signed links, and wbx up keeps bytes on its own disk, where no"
            " link leads; use wbx worker with WBX_DATABASE_URL, or name another SandboxProvider",
            reason="InvalidSpec",
        )


def _registry(value: Any) -> Registry:
    """A field that is called password would be taken for one: what is written here is the name of a credential."""
    if not isinstance(value, Mapping) or set(value) != {"host", "username", "passwordFrom"}:
        raise _invalid(
            '"registries" must be a list of {host, username, passwordFrom}, where passwordFrom names a credential'
            " of the provider object"
        )
    host = registry.host(str(value["host"]))
    return Registry(host, str(value["username"]), str(value["passwordFrom"]))


def _large_enough(name: str, spec: ports.SandboxSpec) -> bool:
    gpus = int(found[1]) if "gpu" in name and (found := _GPUS.search(name)) else 0
    if gpus < spec.gpu or (gpus and not spec.gpu):
        return False
    size = _SIZE.search(name)
    if small := _PARTS.fullmatch(name):
        return int(small[1]) >= spec.cpu and parts(name)[1] << 20 >= spec.memory
    return size is None or (int(size[1]) >= spec.cpu and int(size[2]) << 30 >= spec.memory)


def _words(value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise _invalid(f'"{value}" must be a list of names')
    return list(value)


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name)


def _invalid(why: str) -> errors.Stalled:
    return errors.Stalled(f"do_runner: setting {why}", reason="InvalidSpec")
