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
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

import aiohttp
import kopf
import yarl
from kopf._core.reactor import inventory

from workbenchx.api import registry
from workbenchx.operator import kubeconfig, source, watches

LOG = logging.getLogger(__name__)
_AGAIN = 1.0
_TOKEN_SECONDS = 300.0
_STOP_SECONDS = 10.0
PATIENCE = 10.0
_PLURALS = frozenset(kind.plural for kind in registry.KINDS.values())


class _Backoffs:
    """Pauses between tries that never end: a server that is away is waited for. Read anew for each request."""

    def __iter__(self) -> Iterator[float]:
        yield from (0.2, 0.5, 1.0, 2.0)
        while True:
            yield 5.0


class _NoDiffs(kopf.DiffBaseStorage):
    """Nobody asks what changed, so nothing is remembered for comparing: this halves what an event costs."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


class Forgetful(inventory.ResourceMemories):
    """What kopf would keep of every object for handlers that we do not have: about a kilobyte each."""

    async def recall(self, raw_body: Any, **asked: Any) -> inventory.ResourceMemory:
        """A new one, each time."""
        return await super().recall(raw_body, **(asked | {"ephemeral": True}))


def settings() -> kopf.OperatorSettings:
    """kopf's settings, each for a reason measured in reference/kopf.md."""
    chosen = kopf.OperatorSettings()
    chosen.peering.standalone = True
    chosen.scanning.disabled = True
    chosen.posting.enabled = False
    chosen.process.ultimate_exiting_timeout = None
    chosen.queueing.worker_limit = None
    chosen.queueing.idle_timeout = 0.2
    chosen.queueing.exit_timeout = 0.5
    chosen.watching.chunk_size = 200
    chosen.watching.inactivity_timeout = 70
    chosen.watching.server_timeout = 600
    chosen.watching.reconnect_backoff = 0.2
    chosen.networking.request_timeout = 30
    chosen.networking.connect_timeout = 10
    chosen.networking.error_backoffs = _Backoffs()
    chosen.persistence.finalizer = "unused.workbenchx.dev/kopf"
    chosen.persistence.diffbase_storage = _NoDiffs()
    chosen.persistence.consistency_timeout = 0
    chosen.execution.max_workers = 1
    return chosen


class Watcher:
    """Watches in a thread until `close`. `put` is called in that thread."""

    def __init__(
        self,
        access: kubeconfig.Access,
        put: Callable[[Sequence[source.Item]], None],
        on_return: Callable[[], None],
    ) -> None:
        self._access = access
        self._put = put
        self._on_return = on_return
        self._ending = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._flag: asyncio.Event | None = None
        self._sessions: list[aiohttp.ClientSession] = []
        self._lists: set[str] = set()
        self._since = time.monotonic()
        self.watches = watches.Watches()
        self.begun = 0
        self.received = 0
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread is still there; nothing but `close` should end it."""
        return self._thread.is_alive()

    def overlooked(self) -> frozenset[str]:
        """Kinds that this kopf does not watch although it had the time: they were not served when it looked."""
        if time.monotonic() - self._since < PATIENCE:
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
            self._since = time.monotonic()
            try:
                with contextlib.closing(asyncio.new_event_loop()) as loop:
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
            tasks = await kopf.spawn_tasks(
                registry=self._registry(),
                settings=settings(),
                memories=Forgetful(),
                standalone=True,
                clusterwide=True,
            )
            done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
        finally:
            self._loop = self._flag = None
            for session in self._sessions:
                await session.close()
            self._sessions.clear()

    def _registry(self) -> kopf.OperatorRegistry:
        handlers = kopf.OperatorRegistry()
        kopf.on.login(registry=handlers)(self._login)
        for kind in registry.KINDS.values():
            kopf.on.event(registry.GROUP, registry.VERSION, kind.plural, registry=handlers)(
                self._happened
            )
        return handlers

    async def _happened(self, event: Any, **_: Any) -> None:
        body = source.lighten(event["object"])
        self.received += 1
        self._put([source.Change(body["kind"], body, gone=event["type"] == "DELETED")])

    async def _login(self, **_: Any) -> kopf.AiohttpSession:
        """Few connections, and a token that is as fresh as each request."""
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=64, ssl=self._access.tls),
            middlewares=(self._signed,),
        )
        self._sessions.append(session)
        return kopf.AiohttpSession(server=self._access.server, aiohttp_session=session)

    async def _signed(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        token = self._access.token
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        self._notice(request.url)
        return await self._heard(request, handler)

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

    def _notice(self, url: yarl.URL) -> None:
        """A kind that kopf lists a second time was Gone: deletes of meanwhile are told by nobody but our own list."""
        if {"watch", "continue"} & url.query.keys() or url.name not in _PLURALS:
            return
        if url.path in self._lists:
            self._on_return()
        self._lists.add(url.path)


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
