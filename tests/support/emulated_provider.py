"""A sandbox provider that answers after a while and does nothing: what scales is the path around it.

Its sandboxes are folders, so that any number of processes share it and a killed one loses nothing. Each command that
starts is one line of `starts.log`: a duplicate would be seen.
"""

import asyncio
import contextlib
import datetime
import decimal
import json
import os
import pathlib
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

from workbenchx import errors, ports

ADAPTER = "emulated"
_NOTHING: tuple[bytes, ...] = ()


class EmulatedSandbox:
    """Sandboxes below `folder`; `create` takes `latency` seconds."""

    adapter = ADAPTER
    capabilities = ports.Capabilities(isolates=True)

    def __init__(self, folder: pathlib.Path, latency: float) -> None:
        self._folder = folder / "sandboxes"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._starts = folder / "starts.log"
        self._latency = latency

    def price(self, spec: ports.SandboxSpec) -> decimal.Decimal:
        """Nothing."""
        return decimal.Decimal(0)

    async def observe(self) -> ports.Observation:
        """Every folder."""
        now = datetime.datetime.now(datetime.UTC)
        seen = [self._status(each.name) for each in self._folder.iterdir()]
        return ports.Observation(True, now, tuple(each for each in seen if each))

    async def create(self, spec: ports.SandboxSpec) -> ports.SandboxStatus:
        """After the latency, as an API call would."""
        await asyncio.sleep(self._latency)
        made = self._folder / spec.name
        made.mkdir(exist_ok=True)
        (made / "tags.json").write_text(json.dumps(dict(spec.tags)))
        return self._there(spec.name)

    async def start(self, name: str, env: Mapping[str, str]) -> ports.SandboxStatus:
        """A compare-and-set: the file that is made once."""
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self._folder / name / "started", os.O_CREAT | os.O_EXCL))
            with self._starts.open("a") as log:
                log.write(f"{name}\n")
        return self._there(name)

    async def wait(self, name: str) -> ports.SandboxStatus:
        """What started has ended."""
        return self._there(name)

    async def status(self, name: str) -> ports.SandboxStatus | None:
        """As its folder says."""
        return self._status(name)

    async def read_log(self, name: str, offset: int, limit: int = 1 << 16) -> bytes:
        """It prints nothing."""
        return b""

    async def follow_log(self, name: str, offset: int = 0) -> AsyncGenerator[bytes, None]:
        """The same."""
        for never in _NOTHING:
            yield never

    async def read_file(self, name: str, path: str) -> AsyncIterator[bytes]:
        """It writes nothing."""
        for never in _NOTHING:
            yield never
        raise errors.Stalled(f'output: "{path}" is not there', reason="OutputMissing")

    def archive(self, name: str) -> AsyncIterator[bytes]:
        """There are no files."""
        return self.read_file(name, ".")

    async def extend(self, name: str, deadline: datetime.datetime) -> None:
        """There is nothing to extend."""

    async def execute(
        self, name: str, key: str, command: Sequence[str], *, seconds: float
    ) -> ports.Executed:
        """Not here."""
        raise errors.Stalled("nothing is executed here", reason="NotRunning")

    async def stop(self, name: str, reason: str = "Cancelled") -> ports.SandboxStatus | None:
        """It ended long ago."""
        return self._status(name)

    async def delete(self, name: str) -> None:
        """Remove its folder."""
        shutil.rmtree(self._folder / name, ignore_errors=True)

    async def aclose(self) -> None:
        """It holds nothing."""

    def _there(self, name: str) -> ports.SandboxStatus:
        found = self._status(name)
        if found is None:
            raise errors.Stalled(f'sandbox: "{name}" is not there', reason="SandboxMissing")
        return found

    def _status(self, name: str) -> ports.SandboxStatus | None:
        folder = self._folder / name
        try:
            tags = json.loads((folder / "tags.json").read_text())
        except (FileNotFoundError, ValueError):
            return None
        if not (folder / "started").exists():
            return ports.SandboxStatus(name, "created", tags)
        now = datetime.datetime.now(datetime.UTC)
        return ports.SandboxStatus(
            name, "exited", tags, 0, "Exited", started_at=now, ended_at=now, log_bytes=0
        )
