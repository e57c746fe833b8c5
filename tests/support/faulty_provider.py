"""An emulated vendor on its bad days: names are not unique, new objects are listed late, and a share of all calls goes wrong.

The vendor is a folder, shared by any number of processes; what it did stands in `creates.log`, `starts.log` and `faults.log`,
a line each. The adapter keeps the law of `ports`: it looks for the name before it makes anything, and retries nothing.
"""

import asyncio
import contextlib
import datetime
import json
import os
import pathlib
import random
import time
import uuid
from collections.abc import Mapping
from typing import Any

import emulated_provider

from workbenchx import errors, ports

LIST_LAG = 0.6
_PENDING = 1.0
_SLOW = 0.4
FAULTS = ("429", "after", "pending", "cut", "slow")


class Vendor:
    """Objects below `folder`. `share`: of all calls that go wrong."""

    def __init__(self, folder: pathlib.Path, share: float = 0.0) -> None:
        self._objects = folder / "objects"
        self._objects.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._share = share
        self._random = random.Random()

    async def fault(self, verb: str) -> str:
        """What goes wrong with this call; "" if nothing does. What keeps it from having an effect is raised."""
        if self._random.random() >= self._share:
            return ""
        kind = self._random.choice(FAULTS if verb == "create" else FAULTS[:2] + FAULTS[3:])
        self.log("faults", f"{verb} {kind}")
        if kind == "slow":
            await asyncio.sleep(_SLOW)
        if kind == "429":
            raise errors.Waiting("vendor: 429", reason="RateLimited", retry_after=0.3)
        if kind == "cut":
            raise errors.Waiting(
                "vendor: the connection was cut", reason="ProviderUnavailable", retry_after=0.2
            )
        return kind

    def make(self, name: str, tags: Mapping[str, str], *, pending: bool = False) -> None:
        """A new object, whether there is one of that name or not."""
        now = time.time()
        document = {
            "name": name,
            "tags": dict(tags),
            "listed": now + LIST_LAG,
            "ready": now + (_PENDING if pending else 0),
        }
        written = self.folder / f"{uuid.uuid4()}.new"
        written.write_text(json.dumps(document))
        written.rename(self._objects / written.with_suffix(".json").name)
        self.log("creates", name)

    def everything(self) -> dict[str, dict[str, Any]]:
        """Every object by id, listed or not."""
        found = {}
        for path in self._objects.glob("*.json"):
            with contextlib.suppress(FileNotFoundError):
                found[path.stem] = json.loads(path.read_text())
        return found

    def listed(self) -> dict[str, dict[str, Any]]:
        """What a list shows now."""
        now = time.time()
        return {id_: each for id_, each in self.everything().items() if each["listed"] <= now}

    def begin(self, id_: str, name: str) -> None:
        """Start its command, once."""
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self._objects / f"{id_}.started", os.O_CREAT | os.O_EXCL))
            self.log("starts", name)

    def began(self, id_: str) -> bool:
        """Whether its command was started."""
        return (self._objects / f"{id_}.started").exists()

    def destroy(self, id_: str) -> None:
        """It is gone."""
        for path in self._objects.glob(f"{id_}.*"):
            path.unlink(missing_ok=True)

    def log(self, what: str, line: str) -> None:
        """One line; appends of this size are not torn."""
        with (self.folder / f"{what}.log").open("a") as log:
            log.write(f"{line}\n")

    def lines(self, what: str) -> list[str]:
        """What was logged."""
        path = self.folder / f"{what}.log"
        return path.read_text().splitlines() if path.exists() else []


class FaultySandbox(emulated_provider.EmulatedSandbox):
    """The adapter of that vendor, for one installation."""

    capabilities = ports.Capabilities(isolates=True, list_lag=LIST_LAG)

    def __init__(self, vendor: Vendor, installation: str) -> None:
        super().__init__(vendor.folder, 0.0)
        self._vendor = vendor
        self._installation = installation

    async def observe(self) -> ports.Observation:
        """What has our tag."""
        await self._vendor.fault("observe")
        now = datetime.datetime.now(datetime.UTC)
        seen = [self._shown(*item) for item in self._ours().items()]
        return ports.Observation(True, now, tuple(seen))

    async def create(self, spec: ports.SandboxSpec) -> ports.SandboxStatus:
        """Look for the name, then make it."""
        kind = await self._vendor.fault("create")
        if not self._named(spec.name):
            self._vendor.make(spec.name, spec.tags, pending=kind == "pending")
            if kind == "after":
                raise errors.Waiting("vendor: 503", reason="ProviderUnavailable", retry_after=0.2)
        found = self._named(spec.name) or self._unlisted(spec.name)
        status = self._shown(*next(iter(found.items())))
        if status.state == "unknown":
            raise errors.Waiting(
                "vendor: it is still being made", reason="SandboxUnavailable", retry_after=0.3
            )
        return status

    async def start(self, name: str, env: Mapping[str, str]) -> ports.SandboxStatus:
        """A compare-and-set at the vendor."""
        kind = await self._vendor.fault("start")
        for id_ in self._named(name) or self._unlisted(name):
            self._vendor.begin(id_, name)
        if kind == "after":
            raise errors.Waiting("vendor: 503", reason="ProviderUnavailable", retry_after=0.2)
        return self._there(name)

    async def status(self, name: str) -> ports.SandboxStatus | None:
        """As the list says."""
        await self._vendor.fault("status")
        return self._status(name)

    async def delete(self, name: str) -> None:
        """Whatever is listed under that name."""
        kind = await self._vendor.fault("delete")
        for id_ in self._named(name):
            self._vendor.destroy(id_)
        if kind == "after":
            raise errors.Waiting("vendor: 503", reason="ProviderUnavailable", retry_after=0.2)

    def _ours(self) -> dict[str, dict[str, Any]]:
        return {
            id_: each
            for id_, each in self._vendor.listed().items()
            if each["tags"].get(ports.INSTALLATION_TAG) == self._installation
        }

    def _named(self, name: str) -> dict[str, dict[str, Any]]:
        return {id_: each for id_, each in self._ours().items() if each["name"] == name}

    def _unlisted(self, name: str) -> dict[str, dict[str, Any]]:
        """What this process has just made is known to it by the answer of its call."""
        found = self._vendor.everything().items()
        return {id_: each for id_, each in found if each["name"] == name}

    def _status(self, name: str) -> ports.SandboxStatus | None:
        found = self._named(name)
        return self._shown(*next(iter(found.items()))) if found else None

    def _there(self, name: str) -> ports.SandboxStatus:
        found = self._named(name) or self._unlisted(name)
        if not found:
            raise errors.Stalled(f'sandbox: "{name}" is not there', reason="SandboxMissing")
        return self._shown(*next(iter(found.items())))

    def _shown(self, id_: str, found: Mapping[str, Any]) -> ports.SandboxStatus:
        name, tags = found["name"], found["tags"]
        if found["ready"] > time.time():
            return ports.SandboxStatus(name, "unknown", tags)
        if not self._vendor.began(id_):
            return ports.SandboxStatus(name, "created", tags)
        now = datetime.datetime.now(datetime.UTC)
        return ports.SandboxStatus(name, "exited", tags, 0, "Exited", started_at=now, ended_at=now)
