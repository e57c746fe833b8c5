"""The adapter's hand inside a sandbox: files in and out, and the tools, each a command of the vendor's API.

What comes back of a command is text, so bytes come as base64; a whole file comes by the vendor's own way for files. No call
leaves anything running for long: whatever is asked to wait is told for how long, and killed by the vendor after that.
"""

import asyncio
import base64
import contextlib
import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

from vercel import sandbox as sdk

from workbenchx import errors, ports
from workbenchx.providers.sandbox import specs
from workbenchx.providers.sandbox.inside import places
from workbenchx.providers.sandbox.inside import tools as common
from workbenchx.providers.sandbox.vercel_sandbox import faults, kit, names, settings
from workbenchx.providers.sandbox.vercel_sandbox.inside import box as inner_box
from workbenchx.providers.sandbox.vercel_sandbox.inside import tools

Json = dict[str, Any]
Session = sdk.SandboxRuntimeSession

_BOX = {places.BOX_VARIABLE: "."}
_CHUNK = 1 << 18
_WAITED = 240.0
_LATE = 60.0
_MOMENT = 5.0
_MOST_ENVIRONMENT = 100 << 10
_NO_PYTHON = frozenset({kit.TOO_OLD, 127})


class Hand:
    """Works in the sessions of one adapter's sandboxes."""

    def __init__(self, chosen: settings.Settings) -> None:
        self._chosen = chosen

    async def stage(
        self, session: Session, order: Json, spec: ports.SandboxSpec, storage: ports.StorageProvider
    ) -> Json:
        """Bring the order and its files in, once, whoever comes first; what there is then. Stalled as ports.StagedFile says."""
        token = secrets.token_hex(8)
        folder = f"{names.BOX}/{tools.INCOMING}/{token}"
        header = json.dumps({"order": order, "files": specs.files(spec)}).encode()
        small = {f"{names.BOX}/{kit.FOLDER}/{path}": data for path, data in kit.files().items()}
        await self._write(session, small | {f"{folder}/header.json": header})
        for sha256 in dict.fromkeys(file.sha256 for file in spec.files):
            await self._upload(session, f"{folder}/{sha256}", storage.open(sha256))
        return await self.ask(session, "adopt", token)

    async def start(self, session: Session, env: Mapping[str, str]) -> Json:
        """Leave the box running, and see what came of it. What it is told is in no file, here or there."""
        message = json.dumps({"env": dict(env)})
        if len(message.encode()) > _MOST_ENVIRONMENT:
            raise errors.Stalled(
                f"environment is too large: {len(message)} bytes, at most {_MOST_ENVIRONMENT}",
                reason="InvalidSpec",
            )
        command, arguments = kit.command("box")
        with faults.told("start a command"):
            async with asyncio.timeout(self._chosen.call):
                await session.create_process(
                    command,
                    arguments,
                    cwd=names.BOX,
                    env={**_BOX, inner_box.START_VARIABLE: message},
                )
        return await self.ask(session, "begun")

    async def wait(self, session: Session) -> Json:
        """Once the program has ended, or after some minutes: what there is then."""
        return await self.ask(session, "wait", str(_WAITED), seconds=_WAITED)

    async def execute(
        self, session: Session, key: str, command: Sequence[str], seconds: float
    ) -> Json | None:
        """How a command beside the program ended; None if there is no program."""
        order = json.dumps({"key": key, "argv": list(command), "timeout": seconds})
        limit = seconds + self._chosen.grace
        found: Json | None = (await self.ask(session, "execute", order, seconds=limit))["ended"]
        return found

    async def log(self, session: Session, offset: int, limit: int) -> bytes:
        """A part of the output."""
        text = await self._run(session, "log", str(offset), str(limit))
        return b"".join(base64.b64decode(line) for line in text.splitlines())

    async def follow(self, session: Session, offset: int) -> AsyncGenerator[bytes, None]:
        """The output from `offset` on: an empty piece at the end, if there will be no more."""
        command, arguments = kit.command("follow", str(offset), str(_WAITED))
        with faults.told("follow the output"):
            async with asyncio.timeout(self._chosen.call):
                process = await session.create_process(
                    command, arguments, cwd=names.BOX, env=_BOX, kill_after=_WAITED + _LATE
                )
            stream, over = process.stdout, False
            if stream is None:
                return
            try:
                while line := (await stream.readline()).strip():
                    yield b"" if line == "end" else base64.b64decode(line)
                over = True
            finally:
                await stream.aclose()
                if not over:
                    await _end(process)

    async def read(self, session: Session, path: str) -> AsyncGenerator[bytes, None]:
        """A file of the working folder."""
        told = await self.ask(session, "offer", path)
        async with contextlib.aclosing(self._offered(session, told)) as stream:
            async for data in stream:
                yield data

    async def save(self, session: Session) -> AsyncGenerator[bytes, None]:
        """The working folder as one tar."""
        limit = self._chosen.call * 10
        told = await self.ask(session, "save", seconds=limit)
        async with contextlib.aclosing(self._offered(session, told)) as stream:
            async for data in stream:
                yield data

    async def ask(self, session: Session, verb: str, *arguments: str, seconds: float = 0.0) -> Json:
        """The last line of a tool's answer, which may take so many seconds longer than a call may."""
        text = await self._run(session, verb, *arguments, seconds=seconds)
        try:
            found: Json = json.loads(text.splitlines()[-1])
        except (ValueError, IndexError) as problem:
            raise faults.waiting(
                f"the sandbox answers what cannot be read: {faults.line(text)}"
            ) from problem
        return found

    async def _run(self, session: Session, verb: str, *arguments: str, seconds: float = 0.0) -> str:
        command, words = kit.command(verb, *arguments)
        limit = self._chosen.call + seconds
        with faults.told(f'ask a sandbox to "{verb}"'):
            async with asyncio.timeout(limit + _LATE):
                done = await session.run_process(
                    command, words, cwd=names.BOX, env=_BOX, capture_output=True, kill_after=limit
                )
        if done.returncode:
            raise _refused(done.returncode, done.stderr or done.stdout or "")
        return done.stdout or ""

    async def _write(self, session: Session, files: Mapping[str, bytes]) -> None:
        with faults.told("write files"):
            async with asyncio.timeout(self._chosen.call), session.fs.batch() as batch:
                for path, data in files.items():
                    batch.write_bytes(path, data)

    async def _upload(self, session: Session, path: str, source: AsyncIterator[bytes]) -> None:
        """A blob of any size. It passes through a file of ours: its length is asked for before it."""
        sink = session.fs.open(path, "wb")
        with faults.told("write a file"):
            async with sink:
                async for data in source:
                    await sink.write(data)

    async def _offered(self, session: Session, told: Json) -> AsyncGenerator[bytes, None]:
        name, left = str(told["name"]), int(told["bytes"])
        source = session.fs.open(f"{names.BOX}/{tools.OFFERS}/{name}", "rb")
        with faults.told("read a file"):
            async with source:
                while data := await source.read(_CHUNK):
                    left -= len(data)
                    yield data
        if left:
            raise faults.waiting(f"a file came short by {left} bytes")
        with contextlib.suppress(errors.WorkbenchError, faults.GoneError):
            await self.ask(session, "withdraw", name)


async def _end(process: sdk.Process) -> None:
    """Nobody reads on: it need not wait for its time. Where that cannot be said, it ends by itself."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_MOMENT):
            await process.kill()


def _refused(code: int, told: str) -> errors.WorkbenchError:
    """The tool's own refusal; anything else is of the way to it, or of the image."""
    if code == common.REFUSED:
        with contextlib.suppress(ValueError, KeyError, IndexError):
            said = json.loads(told.splitlines()[-1])
            if said["reason"] != "SandboxUnavailable":
                return errors.Stalled(said["message"], reason=said["reason"])
    if code in _NO_PYTHON:
        message = f"vercel_sandbox: the image has no python3 of 3.11 or newer, which our tools there need: {faults.line(told)}"
        return errors.Stalled(message, reason="RuntimeUnavailable")
    return faults.waiting(f"the sandbox does not answer: exit code {code}: {faults.line(told)}")
