"""A workspace of pydantic-ai in a session of any `ports.SandboxProvider` whose capabilities have `executes`.

The session is made by the first operation, or is there already and its name is the workspace's id. Its hand (see
workspace_hand) is started beside the session's program, once, and every operation is a command beside it, too.
"""

import asyncio
import base64
import builtins
import contextlib
import json
import pathlib
import uuid
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import anyio
import workspace_asker
import workspace_hand
from pydantic_ai import workspaces

from workbenchx import errors, ports

Json = dict[str, Any]
_HAND, _ASKER = (
    pathlib.Path(str(each.__file__)).read_text() for each in (workspace_hand, workspace_asker)
)
_LIFE = 3600.0
_PATIENCE = 300.0
_PIECE = 48 << 10
_GRACE = 60.0


class _NoHandError(Exception):
    """Nobody has started the session's hand."""


class SandboxWorkspace:
    """See pydantic_ai.workspaces.WorkspaceBackend. `make` starts the session that a workspace without a ref needs; its name."""

    def __init__(
        self,
        sandbox: ports.SandboxProvider,
        make: Callable[[], Awaitable[str]] | None = None,
        ref: workspaces.WorkspaceRef | None = None,
    ) -> None:
        self._sandbox = sandbox
        self._make = make
        self._ref = ref
        self._ready: asyncio.Task[str] | None = None

    @property
    def ref(self) -> workspaces.WorkspaceRef | None:
        """See WorkspaceBackend."""
        return self._ref

    async def working_dir(self) -> str:
        """See WorkspaceBackend."""
        if self._ready is None or (self._ready.done() and self._ready.exception()):
            self._ready = asyncio.create_task(self._prepare())
        return await asyncio.shield(self._ready)

    async def _prepare(self) -> str:
        """The session, with its hand; the working folder."""
        if self._ref is None:
            assert self._make is not None
            self._ref = workspaces.WorkspaceRef(
                provider=self._sandbox.adapter, id=await self._make()
            )
        hand = asyncio.create_task(self._execute("workspace", source=_HAND, seconds=_LIFE))
        try:
            return str((await self._told("where", uuid.uuid4().hex, last="first"))["path"])
        finally:
            hand.cancel()  # who waits for it is no more needed
            await asyncio.gather(hand, return_exceptions=True)

    async def run(
        self,
        command: workspaces.WorkspaceCommand,
        *,
        shell: bool = False,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as the protocol has it
    ) -> workspaces.CommandResult:
        """See SupportsCommands."""
        if isinstance(command, str) != shell:
            raise TypeError("a string needs shell=True, and a sequence shell=False")
        argv = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
        if self._ref is None:
            await self.working_dir()
        ticket = uuid.uuid4().hex
        running = asyncio.create_task(
            self._helped(
                "run",
                ticket,
                seconds=timeout + _GRACE if timeout else _LIFE,
                argv=argv,
                env=dict(env or {}),
                timeout=timeout,
            )
        )
        try:
            told = await asyncio.shield(running)
        except asyncio.CancelledError:
            with anyio.move_on_after(_GRACE, shield=True):
                await self._told("end", uuid.uuid4().hex, whose=ticket)
                await asyncio.gather(running, return_exceptions=True)
            raise
        return _result(told, timeout)

    async def read_bytes(self, path: str) -> bytes:
        """See SupportsFilesystem."""
        return base64.b64decode((await self._ask("read", path=path))["data"])

    async def write_bytes(self, path: str, data: bytes) -> None:
        """See SupportsFilesystem."""
        await self._ask("write", path=path, data=base64.b64encode(data).decode())

    async def stat(self, path: str) -> workspaces.FileEntry:
        """See SupportsFilesystem."""
        return workspaces.FileEntry(**await self._ask("stat", path=path))

    async def list_dir(self, path: str) -> Sequence[workspaces.FileEntry]:
        """See SupportsFilesystem."""
        found = (await self._ask("list", path=path))["entries"]
        return [workspaces.FileEntry(**each) for each in found]

    async def make_dir(self, path: str) -> None:
        """See SupportsFilesystem."""
        await self._ask("make", path=path)

    async def remove(self, path: str) -> None:
        """See SupportsFilesystem."""
        await self._ask("remove", path=path)

    async def exists(self, path: str) -> bool:
        """See SupportsFilesystem."""
        return bool((await self._ask("exists", path=path))["exists"])

    async def realpath(self, path: str) -> str:
        """See SupportsRealpath."""
        return str((await self._ask("resolve", path=path))["path"])

    async def _ask(self, verb: str, **request: str) -> Json:
        return await self._helped(verb, uuid.uuid4().hex, seconds=_PATIENCE, **request)

    async def _helped(self, verb: str, ticket: str, **request: Any) -> Json:
        """The hand's answer; where there is none yet, or no session, it is started first."""
        if self._ref is not None:
            with contextlib.suppress(_NoHandError):
                return await self._told(verb, ticket, **request)
        await self.working_dir()
        return await self._told(verb, ticket, key="again", **request)

    async def _told(
        self,
        verb: str,
        ticket: str,
        *,
        seconds: float = _PATIENCE,
        key: str = "ask",
        last: str = "last",
        **request: Any,
    ) -> Json:
        """The hand's answer; what went wrong with a path is raised as what it is."""
        whole = json.dumps({"verb": verb, "ticket": ticket, **request}).encode()
        data = base64.b64encode(zlib.compress(whole)).decode()
        pieces = [data[at : at + _PIECE] for at in range(0, len(data), _PIECE)]
        for number, piece in enumerate(pieces[:-1]):
            await self._execute(f"{key}-{ticket}-{number}", "ask", ticket, "more", piece)
        key = f"{key}-{ticket}-{len(pieces)}"
        output = await self._execute(key, "ask", ticket, last, pieces[-1], seconds=seconds)
        answer: Json = json.loads(base64.b64decode(output.splitlines()[-1]))
        if "file" in answer:
            answer = await self._fetched(ticket, answer["file"])
        if "error" in answer:
            raise getattr(builtins, answer["error"])(answer["message"])
        return answer

    async def _fetched(self, ticket: str, path: str) -> Json:
        assert self._ref is not None
        stream = self._sandbox.read_file(self._ref.id, path)
        answer: Json = json.loads(b"".join([piece async for piece in stream]))
        await self._execute(f"drop-{ticket}", "drop", path)
        return answer

    async def _execute(
        self, key: str, *words: str, source: str = _ASKER, seconds: float = _PATIENCE
    ) -> bytes:
        """What a program of ours prints."""
        assert self._ref is not None
        command = ["python", "-I", "-S", "-c", source, *words]
        try:
            ended = await self._sandbox.execute(self._ref.id, key, command, seconds=seconds)
        except errors.Stalled as problem:
            raise workspaces.WorkspaceUnavailableError(problem.message) from problem
        if ended.reason == "Lost":
            raise workspaces.WorkspaceUnavailableError(ended.message)
        if ended.exit_code == workspace_asker.NO_HAND:
            raise _NoHandError
        if ended.exit_code != 0:
            text = ended.output.decode(errors="replace")
            raise workspaces.WorkspaceError(f"the hand failed: {ended.message} {text}")
        return ended.output


def _result(told: Json, limit: float | None) -> workspaces.CommandResult:
    out, err = told["out"], told["err"]
    if told.get("late"):
        raise workspaces.WorkspaceTimeoutError(
            f"the command took longer than {limit} seconds", stdout=out, stderr=err
        )
    if told.get("cut"):
        raise workspaces.WorkspaceOutputLimitError(
            "too much output", limit=workspace_hand.LIMIT, stdout=out, stderr=err
        )
    return workspaces.CommandResult(exit_code=told["code"], stdout=out, stderr=err)
