"""The adapter's hand inside a pod: the tools, executed in the keeper's container."""

import contextlib
import dataclasses
import datetime
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

from workbenchx import errors, ports
from workbenchx.providers.sandbox.inside import places, tools
from workbenchx.providers.sandbox.kubernetes import client, execution, names
from workbenchx.providers.sandbox.kubernetes.inside import kits

_PIECE = 1 << 17


class Inner:
    """Calls the tools in pods of one namespace."""

    def __init__(self, api: client.Client, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    async def stage(
        self,
        pod: client.Json,
        header: client.Json,
        storage: ports.StorageProvider,
    ) -> None:
        """Put the order and its files in their places; once. Stalled as ports.StagedFile says."""

        async def given() -> AsyncIterator[bytes]:
            yield places.frame(json.dumps(header).encode())
            for file in header["files"]:
                async for data in storage.open(file["sha256"]):
                    for begin in range(0, len(data), _PIECE):
                        yield places.frame(data[begin : begin + _PIECE])
                yield places.frame(b"")

        await self._ask(pod, "stage", given=given())

    async def start(self, pod: client.Json, env: Mapping[str, str], deadline: float | None) -> str:
        """`running`, `started` (it was, before) or `absent`."""
        message = {"op": "start", "env": dict(env), "deadline": deadline}

        async def given() -> AsyncIterator[bytes]:
            yield places.frame(json.dumps(message).encode())

        return str((await self._ask(pod, "start", given=given()))["state"])

    async def stop(self, pod: client.Json, reason: str) -> None:
        """End the program; returns once nothing is left of it."""
        await self._ask(pod, "stop", reason)

    async def execute(
        self, pod: client.Json, key: str, command: Sequence[str], seconds: float
    ) -> client.Json | None:
        """How a command beside the program ended; None if there is no program."""
        message = {"key": key, "argv": list(command), "timeout": seconds}

        async def given() -> AsyncIterator[bytes]:
            yield places.frame(json.dumps(message).encode())

        found: client.Json | None = (await self._ask(pod, "execute", given=given()))["ended"]
        return found

    async def extend(self, pod: client.Json, deadline: float) -> None:
        """Move the deadline."""
        async for _ in self._run(pod, "extend", str(deadline)):
            pass

    async def enrich(self, found: ports.SandboxStatus, pod: client.Json) -> ports.SandboxStatus:
        """With what only the pod knows of a program that runs: restarts, and how much it printed."""
        known = await self._ask(pod, "look")
        fields = {**found.fields, "restarts": known.get("restarts", 0)}
        return dataclasses.replace(found, fields=fields, log_bytes=int(known.get("log_bytes", 0)))

    async def with_use(self, found: ports.SandboxStatus, pod: client.Json) -> ports.SandboxStatus:
        """With since when nobody uses a session; the same while somebody does."""
        since = (await self._ask(pod, "look")).get("idle_since")
        if since is None:
            return found
        moment = datetime.datetime.fromtimestamp(since, datetime.UTC)
        return dataclasses.replace(found, fields={**found.fields, "idle_since": moment.isoformat()})

    def log(self, pod: client.Json, offset: int, limit: int) -> AsyncGenerator[bytes, None]:
        """A part of the output."""
        return self._run(pod, "log", str(offset), str(limit))

    def follow(self, pod: client.Json, offset: int) -> AsyncGenerator[bytes, None]:
        """The output, until there will be no more."""
        return self._run(pod, "follow", str(offset))

    def read(self, pod: client.Json, path: str) -> AsyncGenerator[bytes, None]:
        """A file of the working folder."""
        return self._run(pod, "read", path)

    def save(self, pod: client.Json) -> AsyncGenerator[bytes, None]:
        """The working folder as one tar."""
        return self._run(pod, "save")

    async def _ask(
        self, pod: client.Json, *words: str, given: AsyncIterator[bytes] | None = None
    ) -> client.Json:
        """The last line of its answer."""
        text = b"".join([data async for data in self._run(pod, *words, given=given)])
        found: client.Json = json.loads(text.splitlines()[-1])
        return found

    async def _run(
        self, pod: client.Json, *words: str, given: AsyncIterator[bytes] | None = None
    ) -> AsyncGenerator[bytes, None]:
        path = names.pods(self._namespace, pod["metadata"]["name"])
        command = kits.command("tools", *words)
        try:
            running = self._api.execute(path, names.KEEPER, command, given=given)
            async with contextlib.aclosing(running) as stream:
                async for data in stream:
                    yield data
        except execution.FailedError as problem:
            raise _told(problem) from problem
        except client.MissingError as problem:
            raise errors.Waiting(
                f"kubernetes: the pod is gone: {problem}", reason="SandboxUnavailable"
            ) from problem


def _told(problem: execution.FailedError) -> errors.WorkbenchError:
    """The tool's own refusal; anything else is of the way to it."""
    if problem.code == tools.REFUSED:
        with contextlib.suppress(ValueError, KeyError, IndexError):
            told = json.loads(problem.text.splitlines()[-1])
            if told["reason"] != "SandboxUnavailable":
                return errors.Stalled(told["message"], reason=told["reason"])
    return errors.Waiting(
        f"kubernetes: the pod does not answer: {' '.join(problem.text.split())[:300]}",
        reason="SandboxUnavailable",
    )
