"""An API server on its bad days: what lies between it and us does to one kind of request what a test wants. Streams pass, too."""

import asyncio
import contextlib
import json
import re
import ssl
from collections.abc import AsyncIterator
from typing import NamedTuple

import cluster_server

from workbenchx.providers.sandbox.kubernetes import names

_KINDS = {
    "jobs": "Job",
    "pods": "Pod",
    "services": "Service",
    "networkpolicies": "NetworkPolicy",
    "events": "Event",
}
_VERBS = {"POST": "make", "PATCH": "note", "DELETE": "delete"}
_PATH = re.compile(r"/namespaces/[^/]+/(\w+)(/[^/?]+)?(/exec)?(\?.*)?$")
_PIECE = 1 << 16


class Refusal(NamedTuple):
    """An answer instead of the server's."""

    status: int
    message: str = "on demand"
    later: int | None = None


class Streams(NamedTuple):
    """Both ends of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


def what(method: str, path: str, body: bytes = b"") -> str:
    """A request in two words: `list Pods`, `note Job`, `bind Job` (the note of the pod that counts), or `exec`."""
    found = _PATH.search(path)
    assert found is not None, path
    plural, name, inside, query = found.groups()
    if inside:
        return "exec"
    if method == "GET" and not name:
        return f"{'watch' if 'watch=1' in (query or '') else 'list'} {_KINDS[plural]}s"
    if names.STAGED.encode() in body and method == "PATCH":
        return "bind Job"
    return f"{_VERBS.get(method, 'read')} {_KINDS[plural]}"


class Between:
    """A server with TLS before the real one, in the loop of the test; one request a connection.

    `fault` happens to each request of the kind `at`: a Refusal; `away`: closed without an answer; `mute`: no answer;
    `lost`: done, and 503 (of a stream: nothing) is the answer; `cut`: done (a stream: begun), and the answer breaks off.
    """

    def __init__(self, cluster: cluster_server.Cluster) -> None:
        self.fault: Refusal | str | None = None
        self.at = ""
        self.hit = 0
        self.url = ""
        self._cluster = cluster
        self._talks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answer inside the block."""
        files = self._cluster.folder
        self._cluster.authority.certify("between", "between", hosts=("127.0.0.1",))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(files / "between.crt", files / "between.key")
        server = await asyncio.start_server(self._begin, "127.0.0.1", 0, ssl=tls)
        self.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield
        finally:
            server.close()
            for each in self._talks:
                each.cancel()
            await asyncio.gather(*self._talks, return_exceptions=True)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.create_task(self._talk(Streams(reader, writer)))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _talk(self, client: Streams) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._answer(client)
        finally:
            client.writer.transport.abort()

    async def _answer(self, client: Streams) -> None:
        head = await client.reader.readuntil(b"\r\n\r\n")
        method, path, _ = head.decode("latin-1").split(" ", 2)
        size = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        body = await client.reader.readexactly(int(size[1])) if size else b""
        asked = what(method, path, body)
        fault = self.fault if asked == self.at else None
        self.hit += fault is not None
        if fault == "mute":
            await client.reader.read()
        elif isinstance(fault, Refusal):
            await _refuse(client, fault)
        elif fault != "away":
            await self._pass_on(client, head, body, str(fault), stream=asked == "exec")

    async def _pass_on(
        self, client: Streams, head: bytes, body: bytes, fault: str, *, stream: bool
    ) -> None:
        if not stream:
            head = head[:-2] + b"Connection: close\r\n\r\n"
        port, tls = self._cluster.port, self._cluster.tls
        server = Streams(*await asyncio.open_connection("127.0.0.1", port, ssl=tls))
        server.writer.write(head + body)
        sending = asyncio.create_task(_pump(client.reader, server.writer))
        try:
            await _return(client, server, fault, stream=stream)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            server.writer.transport.abort()


async def _return(client: Streams, server: Streams, fault: str, *, stream: bool) -> None:
    """The server's answer, as far as the fault lets it through."""
    if fault == "None":
        await _pump(server.reader, client.writer)
        return
    if stream or fault == "cut":
        client.writer.write(await server.reader.readuntil(b"\r\n\r\n"))
        await client.writer.drain()
    if fault == "cut":
        return
    await server.reader.read()
    if not stream:
        await _refuse(client, Refusal(503, "it was done"))


async def _refuse(client: Streams, told: Refusal) -> None:
    document = {"kind": "Status", "apiVersion": "v1", "code": told.status, "message": told.message}
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 {told.status} No\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    later = "" if told.later is None else f"Retry-After: {told.later}\r\n"
    client.writer.write(f"{head}{later}Connection: close\r\n\r\n".encode() + body)
    await client.writer.drain()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_PIECE):
        writer.write(data)
        await writer.drain()
