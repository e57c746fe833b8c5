"""From the spec of a sandbox to what its runner is told. The identity of an order leaves out what changes by itself."""

import dataclasses
import datetime
import hashlib
import json
from typing import Any

from workbenchx import errors, ports
from workbenchx.providers.sandbox.do_runner.agent import proving

LINKS = datetime.timedelta(hours=12)
_GRACE = 10.0
_DISK = 20 << 30
_PROCESSES = 4096


def work(spec: ports.SandboxSpec) -> dict[str, Any]:
    """What is to be done, without the links to its files."""
    return {
        "name": spec.name,
        "shape": spec.shape,
        "image": spec.image,
        "command": list(spec.command),
        "files": [dataclasses.asdict(each) for each in spec.files],
        "outputs": [*spec.outputs, ports.METRICS_FILE],
        "memory": spec.memory,
        "gpu": spec.gpu,
        "egress": list(spec.egress),
        "restart": spec.restart,
        "log_limit": spec.log_limit,
        "grace": _GRACE,
        "disk": _DISK,
        "processes": _PROCESSES,
    }


def digest(spec: ports.SandboxSpec) -> str:
    """The same for the same order; a moved deadline is the same order."""
    document = {"work": work(spec), "tags": dict(spec.tags), "cpu": spec.cpu}
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


async def linked(
    storage: ports.StorageProvider, spec: ports.SandboxSpec, api: str, *, signs_in: bool = False
) -> dict[str, Any]:
    """The work, with a link to each file. `signs_in`: its image can be had with a sign-in only.

    Raises:
        errors.Stalled: reason ArtifactMissing.
    """
    made = work(spec) | {"signs_in": signs_in}
    for file in made["files"]:
        link = await storage.signed_url(file["sha256"], expires=LINKS)
        file["url"] = _absolute(link.url, api)
    return made


async def uploads(
    storage: ports.StorageProvider, runner: ports.Runner, api: str
) -> dict[str, dict[str, Any]]:
    """Signed uploads for the wishes that have none yet, each with a challenge: what is there already must be proven, too."""
    made: dict[str, dict[str, Any]] = {}
    for path, wish in runner.wishes.items():
        if path in runner.uploads:
            continue
        if await storage.exists(wish["sha256"]):
            link: dict[str, Any] = {"stored": True, "url": None, "headers": {}}
        else:
            signed = await storage.signed_put(wish["sha256"], size=wish["bytes"], expires=LINKS)
            link = {"url": _absolute(signed.url, api), "headers": dict(signed.headers)}
        made[path] = {**link, "challenge": proving.challenge()}
    return made


def check(spec: ports.SandboxSpec) -> None:
    """What no runner can do.

    Raises:
        errors.Stalled: reason InvalidSpec.
    """
    if spec.ports:
        raise errors.Stalled(
            "do_runner: a droplet opens no ports; name another provider for what is reached by an address",
            reason="InvalidSpec",
        )
    if "@sha256:" not in spec.image:
        raise errors.Stalled(
            f'do_runner: image "{spec.image}" is not pinned, must be NAME@sha256:DIGEST',
            reason="InvalidSpec",
        )


def _absolute(url: str, api: str) -> str:
    """A relative link is of the console."""
    return url if "://" in url else f"{api.rstrip('/')}/{url.lstrip('/')}"
