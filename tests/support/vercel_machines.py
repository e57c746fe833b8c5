"""The microVMs of the Vercel emulator: a folder as the root of its files, and real processes of this machine in it.

Paths of the API are below that root; a program sees the machine's own. What runs in one carries its mark in the
environment, however it detaches itself, so that all of it can be ended at once.
"""

import asyncio
import codecs
import contextlib
import os
import pathlib
import secrets
import shutil
import signal
import sys
import tarfile
import time
from collections.abc import AsyncIterator
from typing import Any

from workbenchx.providers.sandbox.supervision import tree

HOME = "/vercel/sandbox"
_MARK = "VERCEL_EMULATOR_MACHINE"
_BASE = pathlib.Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info[1]}"


class Command:
    """One command: its process, and every line of its output, for whoever comes late."""

    def __init__(self, session: str, body: dict[str, Any], cwd: str) -> None:
        self.id = f"cmd_{secrets.token_hex(8)}"
        self.session = session
        self.name = str(body["command"])
        self.args = [str(each) for each in body.get("args") or ()]
        self.cwd = cwd
        self.started_at = int(time.time() * 1000)
        self.exit_code: int | None = None
        self.records: list[dict[str, str]] = []
        self.process: asyncio.subprocess.Process | None = None
        self._changed = asyncio.Condition()

    def told(self) -> dict[str, Any]:
        """As the API tells of it."""
        return {
            "id": self.id,
            "name": self.name,
            "args": self.args,
            "cwd": self.cwd,
            "sessionId": self.session,
            "exitCode": self.exit_code,
            "startedAt": self.started_at,
        }

    async def add(self, stream: str, data: str) -> None:
        """Output."""
        async with self._changed:
            self.records.append({"stream": stream, "data": data})
            self._changed.notify_all()

    async def end(self, code: int) -> None:
        """It is over."""
        async with self._changed:
            self.exit_code = code
            self._changed.notify_all()

    async def ended(self) -> None:
        """Return when it is over."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.exit_code is not None)

    async def output(self) -> AsyncIterator[dict[str, str]]:
        """From the beginning, until it is over."""
        at = 0
        while True:
            async with self._changed:
                await self._changed.wait_for(
                    lambda: len(self.records) > at or self.exit_code is not None  # noqa: B023 - awaited here
                )
                fresh, over = self.records[at:], self.exit_code is not None
            for record in fresh:
                yield record
            at += len(fresh)
            if over and at == len(self.records):
                return


class Machine:
    """One microVM below `folder`."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.root = folder
        self.mark = secrets.token_hex(16)
        self.commands: dict[str, Command] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.place(HOME).mkdir(parents=True, exist_ok=True)
        self.place("/home/ubuntu").mkdir(parents=True, exist_ok=True)
        self._programs = self.place("/usr/local/bin")
        self._programs.mkdir(parents=True, exist_ok=True)
        python = _BASE if _BASE.exists() else pathlib.Path(os.path.realpath(sys.executable))
        for name in ("python", "python3"):
            with contextlib.suppress(FileExistsError):
                (self._programs / name).symlink_to(python)

    @property
    def busy(self) -> bool:
        """Whether anything of it is being waited for."""
        return bool(self._tasks)

    def place(self, path: str, cwd: str | None = None) -> pathlib.Path:
        """Where a path of the API is."""
        whole = os.path.normpath(os.path.join(cwd or HOME, path))  # noqa: PTH118 - text, of elsewhere
        return self.root / whole.lstrip("/")

    async def run(self, session: str, body: dict[str, Any]) -> Command:
        """Start a command; FileNotFoundError where there is none of that name is told as a shell tells it."""
        command = Command(session, body, body.get("cwd") or HOME)
        self.commands[command.id] = command
        try:
            command.process = await self._spawn(command, body)
        except OSError as problem:
            await command.add("stderr", f"{command.name}: {problem.strerror}\n")
            await command.end(127)
            return command
        task = asyncio.create_task(self._attend(command, command.process, body.get("timeout")))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return command

    async def _spawn(self, command: Command, body: dict[str, Any]) -> asyncio.subprocess.Process:
        environment = {
            "PATH": f"{self._programs}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.place("/home/ubuntu")),
            "USER": "ubuntu",
            _MARK: self.mark,
            **(body.get("env") or {}),
        }
        program = shutil.which(command.name, path=environment["PATH"]) or command.name
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            program,
            *command.args,
            cwd=self.place(command.cwd),
            env=environment,
            stdin=pipe if body.get("attachStdin") else asyncio.subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
        )

    async def _attend(
        self, command: Command, process: asyncio.subprocess.Process, timeout_ms: int | None
    ) -> None:
        reading = [
            asyncio.create_task(_read(command, name, stream))
            for name, stream in (("stdout", process.stdout), ("stderr", process.stderr))
            if stream is not None
        ]
        limit = timeout_ms / 1000 if timeout_ms else None
        try:
            async with asyncio.timeout(limit):
                code = await process.wait()
        except TimeoutError:
            signalled(process, signal.SIGKILL)
            code = await process.wait()
        # Whoever inherited the pipes and lives on is not waited for.
        await asyncio.wait(reading, timeout=1.0 if code else 5.0)
        for task in reading:
            task.cancel()
        await command.end(code if code >= 0 else 128 - code)

    def write(self, archive: pathlib.Path, cwd: str) -> None:
        """Unpack a tar.gz as root would."""
        with tarfile.open(archive, "r:gz") as tar:
            for entry in tar:
                target = self.place(entry.name, cwd)
                target.parent.mkdir(parents=True, exist_ok=True)
                source = tar.extractfile(entry)
                if source is not None:
                    target.write_bytes(source.read())
                    target.chmod(entry.mode or 0o644)

    def end(self) -> None:
        """Pull the plug: nothing of it lives afterwards."""
        mark = f"{_MARK}={self.mark}".encode()
        while left := tree.marked(mark):
            tree.send(left, signal.SIGKILL)
            time.sleep(0.005)

    def remove(self) -> None:
        """And nothing of its files is left."""
        shutil.rmtree(self.root, ignore_errors=True)


def signalled(process: asyncio.subprocess.Process, number: int) -> None:
    """A signal for the command and what it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


async def _read(command: Command, name: str, stream: asyncio.StreamReader) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while data := await stream.read(1 << 16):
        if text := decoder.decode(data):
            await command.add(name, text)
