"""kopf, as watch plumbing and nothing else: one `on.event` for each kind, in a thread with a loop of its own.

It is kept from writing anything, from peering and from looking at CRDs. It ends for any watch error but 410 and for a
kind that is no longer served, cancels on its way out whatever else runs in its loop, and may hang there: hence the thread,
and a new kopf after each (decision 084).
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import aiohttp
import uvloop

from workbenchx.api import registry
from workbenchx.operator import kubeconfig, permissions, source, watches

LOG = logging.getLogger(__name__)
_AGAIN = 1.0
_TOKEN_SECONDS = 300.0
_STOP_SECONDS = 10.0
PATIENCE = 10.0
_CLUSTERED = {kind.plural: kind.cluster_scoped for kind in registry.KINDS.values()}
_PLURALS = frozenset(_CLUSTERED)
_NOBODY = "nobody"


class Watcher:
    """Watches in a thread until `close`. `put`, `since` and `on_return` are called in that thread.

    `since(plural)` answers the version of a list of ours from which to watch; None: there is none.
    """

    def __init__(
        self,
        access: kubeconfig.Access,
        put: Callable[[Sequence[source.Item]], None],
        since: Callable[[str], Awaitable[int | None]],
        on_return: Callable[[], None],
    ) -> None:
        self._access = access
        self._put = put
        self._since = since
        self._on_return = on_return
        self._ending = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._flag: asyncio.Event | None = None
        self._sessions: list[aiohttp.ClientSession] = []
        self._lists: set[str] = set()
        self._new = time.monotonic()
        self.watches = watches.Watches()
        self.begun = 0
        self.received = 0
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread is there or still to come; nothing but `close` should end it."""
        return self._thread.ident is None or self._thread.is_alive()

    def overlooked(self) -> frozenset[str]:
        """Kinds that this kopf does not watch although it had the time: they were not served when it looked."""
        if time.monotonic() - self._new < PATIENCE:
            return frozenset()
        known = {path.rpartition("/")[2] for path in self._lists}
        return frozenset(name for name, kind in registry.KINDS.items() if kind.plural not in known)

    def restart(self) -> None:
        """A new kopf: it looks only at its start at what is served."""
        self._stop_this_one()

    def close(self) -> None:
        """End, and wait for it."""
        self._ending.set()
        self._stop_this_one()
        if self._thread.ident is not None:
            self._thread.join(_STOP_SECONDS)

    def _stop_this_one(self) -> None:
        loop, flag = self._loop, self._flag
        if loop is not None and flag is not None:
            with contextlib.suppress(RuntimeError):  # it has just ended by itself
                loop.call_soon_threadsafe(flag.set)

    def _run(self) -> None:
        first = True
        while not self._ending.is_set():
            if not first:
                self._on_return()
            first = False
            self.begun += 1
            self.watches.begun()
            self._new = time.monotonic()
            try:
                with contextlib.closing(uvloop.new_event_loop()) as loop:
                    _to_its_end(loop, self._watch())
            except Exception as error:  # noqa: BLE001 - whatever ends kopf, the watch goes on
                told = " ".join(str(error).split())[:300]
                LOG.warning("watch: kopf ended (%s: %s); begun anew", type(error).__name__, told)
            self._ending.wait(_AGAIN)

    async def _watch(self) -> None:
        """Until told to stop, or until one of kopf's tasks ends: none of them ever should."""
        self._loop, self._flag, self._lists = asyncio.get_running_loop(), asyncio.Event(), set()
        stopping = asyncio.create_task(self._flag.wait())
        if self._ending.is_set():
            return
        try:
            # Imported here, in this thread: 70 ms that a start has better uses for.
            from workbenchx.operator import plumbing  # noqa: PLC0415 - see above

            tasks = await plumbing.tasks(self._happened, self._access.server, self._login)
            done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
        finally:
            self._loop = self._flag = None
            for session in self._sessions:
                await session.close()
            self._sessions.clear()

    async def _happened(self, event: Any, **_: Any) -> None:
        body = source.lighten(event["object"])
        self.received += 1
        self._put([source.Change(body["kind"], body, gone=event["type"] == "DELETED")])

    def _login(self) -> aiohttp.ClientSession:
        """Few connections, and a token that is as fresh as each request."""
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=64, ssl=self._access.tls),
            middlewares=(self._signed,),
        )
        self._sessions.append(session)
        return session

    async def _signed(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        token = self._access.token
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        url = request.url
        if url.name not in _PLURALS or {"watch", "continue"} & url.query.keys():
            return await self._heard(request, handler)
        return await self._listed(request, handler)

    async def _listed(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """kopf lists a kind: it gets the version of our own list, without the objects, and watches from there (decision 160).

        Where we could not read the kind it lists by itself, and what happened before that is found by our next list.
        """
        url = request.url
        self._lists.add(url.path)
        version = await self._since(url.name)
        if version is not None:
            request.url = url.update_query(_nothing(url.name, version))
        answer = await self._heard(request, handler)
        if version is None and answer.ok:
            self._on_return()
        return answer

    async def _heard(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Pass it on, and learn from the answer what is watched."""
        self.watches.asked()
        url = request.url
        if url.name not in _PLURALS:
            return await handler(request)
        try:
            answer = await handler(request)
        except Exception as problem:
            self.watches.failed(url.name, type(problem).__name__)
            raise
        if "watch" in url.query or not answer.ok:
            self.watches.answered(url.name, answer.status)
        return answer


def _nothing(plural: str, version: int) -> dict[str, str]:
    """Ask for no object, as of a version: a name that no object can have."""
    where = "" if _CLUSTERED[plural] else f"metadata.namespace={permissions.SYSTEM_NAMESPACE},"
    return {
        "fieldSelector": f"{where}metadata.name={_NOBODY}",
        "resourceVersion": str(version),
        "resourceVersionMatch": "Exact",
    }


def _to_its_end(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, None]) -> None:
    """Run; then leave what does not end in a second. kopf's own way out may hang for ever."""
    try:
        loop.run_until_complete(work)
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks, timeout=_AGAIN))
