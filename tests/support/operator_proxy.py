"""An API server that misbehaves on demand: a proxy in front of the real one, in a thread of the test."""

import asyncio
import collections
import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator

import aiohttp
import cluster_server
from aiohttp import web

_DROPPED = frozenset({"transfer-encoding", "connection", "content-length", "host"})
Refusal = tuple[int, dict[str, str]]
Refuse = Callable[[str, str], Refusal | None]
"""Method and path with its query, to a status and headers; None: the real server answers."""


def _nothing(method: str, path: str) -> Refusal | None:
    del method, path
    return None


class Proxy:
    """`refuse` decides about each request; `break_watches` ends the open ones; `answers` counts the real server's, by status."""

    def __init__(self, cluster: cluster_server.Cluster) -> None:
        self.refuse: Refuse = _nothing
        self.refused = 0
        self.answers: collections.Counter[int] = collections.Counter()
        self.url = ""
        self._cluster = cluster
        self._loop = asyncio.new_event_loop()
        self._watches: set[asyncio.Queue[bytes]] = set()
        cluster.authority.certify("proxy", "proxy", hosts=("127.0.0.1", "localhost"))

    @property
    def watching(self) -> int:
        """How many watches are open."""
        return len(self._watches)

    def break_watches(self, code: int | None) -> int:
        """End every open watch, with an ERROR event of that code (None: just so); how many."""
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
        line = (
            b""
            if code is None
            else json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"
        )
        count = len(self._watches)
        for watch in list(self._watches):
            self._loop.call_soon_threadsafe(watch.put_nowait, line)
        return count

    def blind(self) -> None:
        """End every open watch and wait until none is left: where new ones are refused, nothing is seen from here on.

        One that was asked for before they were refused may open a moment later: it is ended, too.
        """
        cluster_server.until("no watch is open", lambda: not self.break_watches(None))

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Answer inside the block."""
        started, ended = threading.Event(), asyncio.Event()
        thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._serve(started, ended),), daemon=True
        )
        thread.start()
        started.wait(60)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(ended.set)
            thread.join(10)
            self._loop.close()

    async def _serve(self, started: threading.Event, ended: asyncio.Event) -> None:
        files = self._cluster.folder
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(files / "proxy.crt", files / "proxy.key")
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        self.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
        connector = aiohttp.TCPConnector(limit=0, ssl=self._cluster.tls)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as self._up:
            started.set()
            await ended.wait()
            self.break_watches(None)
            await asyncio.sleep(0)
            await runner.cleanup()
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0.1)  # connections with TLS close a moment later

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        refusal = self.refuse(request.method, request.path_qs)
        if refusal is not None:
            self.refused += 1
            body = {
                "kind": "Status",
                "apiVersion": "v1",
                "code": refusal[0],
                "message": "on demand",
            }
            return web.json_response(body, status=refusal[0], headers=refusal[1])
        headers = {
            name: text for name, text in request.headers.items() if name.lower() not in _DROPPED
        }
        body_ = await request.read()
        url = self._cluster.url + request.path_qs
        patience = aiohttp.ClientTimeout(total=None)
        try:
            async with self._up.request(
                request.method, url, headers=headers, data=body_ or None, timeout=patience
            ) as answer:
                return await self._pass_on(request, answer)
        except aiohttp.ClientError:
            raise web.HTTPBadGateway from None

    async def _pass_on(
        self, request: web.Request, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        self.answers[answer.status] += 1
        kept = {name: text for name, text in answer.headers.items() if name.lower() not in _DROPPED}
        made = web.StreamResponse(status=answer.status, headers=kept)
        await made.prepare(request)
        ends: asyncio.Queue[bytes] = asyncio.Queue()
        watching = "watch=true" in request.path_qs
        if watching:
            self._watches.add(ends)
        ending = asyncio.create_task(ends.get())
        try:
            with contextlib.suppress(ConnectionError):
                await self._pump(made, answer, ending)
        finally:
            ending.cancel()
            self._watches.discard(ends)
        return made

    async def _pump(
        self,
        made: web.StreamResponse,
        answer: aiohttp.ClientResponse,
        ending: "asyncio.Task[bytes]",
    ) -> None:
        while True:
            reading = asyncio.create_task(answer.content.readany())
            done, _ = await asyncio.wait({reading, ending}, return_when=asyncio.FIRST_COMPLETED)
            if ending in done:
                reading.cancel()
                await made.write(ending.result())
                return
            data = reading.result()
            if not data:
                return
            await made.write(data)
