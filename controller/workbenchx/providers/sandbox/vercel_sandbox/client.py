"""The vendor's client, as the adapter uses it: what could be done twice is sent once.

Only a read is repeated by the vendor's client. Every call has a time-out, and what it raises is ours.
"""

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
from vercel import sandbox as sdk

from workbenchx import errors
from workbenchx.providers.sandbox.vercel_sandbox import faults, names, settings

_AGAIN_SECONDS = 0.5
_PAGE = 50
_TAKEN = frozenset({400, 409})
READY = sdk.SandboxStatus.RUNNING
ENDED = frozenset({sdk.SandboxStatus.STOPPED, sdk.SandboxStatus.FAILED, sdk.SandboxStatus.ABORTED})


class Client:
    """Sandboxes of one project. Connections are opened at first use, and again after `aclose`."""

    def __init__(self, credential: Callable[[str], str], chosen: settings.Settings) -> None:
        self._credential = credential
        self._chosen = chosen
        self._opened: sdk.SandboxClient | None = None
        self._seen: dict[str, sdk.Sandbox] = {}

    async def aclose(self) -> None:
        """Close the connections."""
        opened, self._opened = self._opened, None
        self._seen.clear()
        if opened is not None:
            await opened.aclose()

    async def create(self, **order: Any) -> sdk.Sandbox:
        """A new sandbox that runs; it is asked for once, whatever the answer.

        Raises:
            errors.Conflict: refused in a way that may mean that the name is taken.
            errors.Stalled: it failed at once, or never can be.
        """
        with faults.told("make a sandbox"):
            try:
                async with asyncio.timeout(self._chosen.patience):
                    made: sdk.Sandbox = await self._client().create_sandbox(**order)
            except sdk.SandboxTerminalStateError as problem:
                message = f'vercel_sandbox: sandbox "{order["name"]}" ended before its start: {faults.line(str(problem))}'
                raise errors.Stalled(message, reason="StartFailed") from problem
            except sdk.SandboxApiError as problem:
                if problem.status_code not in _TAKEN:
                    raise
                cause = faults.of(problem, "make a sandbox")
                raise errors.Conflict(str(cause), reason="NameTaken") from cause
        return made

    async def get(self, name: str) -> sdk.Sandbox | None:
        """As it is now, never resumed; None if there is none."""
        try:
            async with self._call("look at a sandbox"):
                return await self._client().get_sandbox(name=name)
        except faults.GoneError:
            return None

    async def ready(self, box: sdk.Sandbox) -> sdk.Sandbox:
        """The same one, once it runs or has ended.

        Raises:
            errors.Waiting: it takes longer than we have patience, or went.
        """
        seen: sdk.Sandbox | None = box
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._chosen.patience):
                while seen is not None and state(seen) not in {READY, *ENDED}:
                    await asyncio.sleep(_AGAIN_SECONDS)
                    seen = await self.get(box.name)
        if seen is None:
            raise faults.waiting(f'sandbox "{box.name}" went while it was made')
        if state(seen) not in {READY, *ENDED}:
            raise faults.waiting(f'sandbox "{box.name}" is {state(seen)} for too long')
        return seen

    async def list(self, installation: str) -> list[sdk.Sandbox]:
        """Every sandbox that carries the tag of the installation."""
        tag = sdk.TagFilter(key=names.INSTALLATION, value=installation)
        query = sdk.SandboxQueryByCreatedAt(tag=tag)
        with faults.told("list the sandboxes"):
            pages = self._client().query_sandboxes(query=query, page_size=_PAGE)
            found = [each async for each in pages]
        for name in self._seen.keys() - {each.name for each in found}:
            del self._seen[name]
        return found

    async def whole(self, listed: sdk.Sandbox) -> sdk.Sandbox | None:
        """One of a list with its microVM and its routes, which no list tells; asked for once for each microVM.

        None if it went meanwhile.
        """
        seen = self._seen.get(listed.name)
        if seen is None or seen.current_session_id != listed.current_session_id:
            seen = await self.get(listed.name)
            if seen is None or state(seen) is not READY:
                return seen
            self._seen[listed.name] = seen
        return seen

    async def destroy(self, name: str) -> bool:
        """End it and forget it; False if there was none."""
        try:
            async with self._call("delete a sandbox"):
                box = await self._client().get_sandbox(name=name)
                await box.destroy(delete_orphan_snapshots=True)
        except faults.GoneError:
            return False
        return True

    async def gone(self, name: str) -> None:
        """Return once it is; the vendor may end it after it answers.

        Raises:
            errors.Waiting: it takes longer than we have patience.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._chosen.patience):
                while await self.get(name) is not None:  # noqa: ASYNC110 - of another machine
                    await asyncio.sleep(_AGAIN_SECONDS)
                return
        raise faults.waiting(f'sandbox "{name}" is being deleted, and does not go')

    async def extend(self, session: sdk.SandboxRuntimeSession, seconds: float) -> None:
        """Let the microVM live longer."""
        async with self._call("extend a sandbox"):
            await session.extend_execution_time_limit(datetime.timedelta(seconds=seconds))

    @contextlib.asynccontextmanager
    async def _call(self, doing: str) -> AsyncIterator[None]:
        with faults.told(doing):
            async with asyncio.timeout(self._chosen.call):
                yield

    def _client(self) -> sdk.SandboxClient:
        if self._opened is None:
            self._opened = sdk.SandboxClient.create(
                options=sdk.SandboxServiceOptions(
                    base_url=self._chosen.api,
                    credentials_factory=self._credentials,
                    region=self._chosen.region,
                ),
                httpx_client_factory=self._transport,
            )
        return self._opened

    def _transport(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            timeout=self._chosen.call,
            limits=httpx2.Limits(max_connections=200, max_keepalive_connections=20),
        )

    async def _credentials(self) -> sdk.SandboxCredentials:
        """Read at each call: a token may be renewed in its file."""
        return sdk.SandboxCredentials(
            token=self._credential("token"),
            team_id=self._credential("team"),
            project_id=self._credential("project"),
        )


def state(box: sdk.Sandbox) -> sdk.SandboxStatus | None:
    """Of its session, where that was told; else its own."""
    session = box.current_session
    return (session.status if session is not None else None) or box.status
