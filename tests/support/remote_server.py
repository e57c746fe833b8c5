"""An HTTP server whose answers a test writes down, faults included: broken off, silent, slow, streamed."""

import asyncio
import contextlib
import dataclasses
import datetime
import json
import ssl
import tempfile
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclasses.dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as a document."""
        return json.loads(self.body)

    @property
    def token(self) -> str | None:
        """The bearer token."""
        return self.headers.get("authorization", "").removeprefix("Bearer ") or None


@dataclasses.dataclass(frozen=True)
class Answer:
    """What to answer. `cut`: so many bytes of the body, then the connection breaks; `hang`: nothing at all, ever.

    `chunks`: a body in pieces, chunked; a number among them waits so many seconds, None breaks the connection.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    cut: int | None = None
    hang: bool = False
    chunks: Sequence[bytes | float | None] | None = None


def document(found: Any, status: int = 200, **headers: str) -> Answer:
    """A JSON answer."""
    return Answer(
        status, json.dumps(found).encode(), {"Content-Type": "application/json", **headers}
    )


def problem(status: int, reason: str, detail: str, **headers: str) -> Answer:
    """A problem as the API tells it."""
    found = {
        "type": "about:blank",
        "title": "T",
        "status": status,
        "detail": detail,
        "reason": reason,
    }
    said = {"Content-Type": "application/problem+json", **headers}
    return Answer(status, json.dumps(found).encode(), said)


def events(*chunks: bytes | float | None) -> Answer:
    """A stream of server-sent events."""
    return Answer(headers={"Content-Type": "text/event-stream"}, chunks=chunks)


Route = Answer | list[Answer] | Callable[[Request], Answer]


class Server:
    """Answers by `routes` (`METHOD /path`); of a list the first, then the next, the last for ever. Keeps what came."""

    def __init__(self, routes: Mapping[str, Route]) -> None:
        self.routes = dict(routes)
        self.seen: list[Request] = []
        self.url = ""
        self.connections = 0

    def asked(self, route: str) -> list[Request]:
        """What came by that route."""
        return [each for each in self.seen if f"{each.method} {each.path}" == route]

    def answer(self, request: Request) -> Answer:
        """What the script says to that."""
        self.seen.append(request)
        route = self.routes.get(f"{request.method} {request.path}")
        match route:
            case None:
                return problem(404, "NotFound", f"no route {request.method} {request.path}")
            case Answer():
                return route
            case list():
                return route.pop(0) if len(route) > 1 else route[0]
        return route(request)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept alive."""
        self.connections += 1
        try:
            ends = (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError)
            with contextlib.suppress(*ends):
                while await _send(self.answer(await _receive(reader)), writer):
                    pass
        finally:
            writer.close()


async def _receive(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
    }
    parts = urllib.parse.urlsplit(target)
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
    return Request(method, parts.path, query, headers, body)


async def _send(answer: Answer, writer: asyncio.StreamWriter) -> bool:
    """False: the connection is not to be used again."""
    if answer.hang:
        await asyncio.Event().wait()
    length = {"Content-Length": str(len(answer.body))}
    headers = {
        **(length if answer.chunks is None else {"Transfer-Encoding": "chunked"}),
        **answer.headers,
    }
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {answer.status} Told\r\n{head}\r\n".encode())
    if answer.chunks is not None:
        return await _pieces(answer.chunks, writer)
    writer.write(answer.body[: answer.cut])
    await writer.drain()
    return answer.cut is None


async def _pieces(chunks: Sequence[bytes | float | None], writer: asyncio.StreamWriter) -> bool:
    for chunk in chunks:
        match chunk:
            case None:
                return False
            case bytes():
                writer.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
                await writer.drain()
            case _:
                await asyncio.sleep(chunk)
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


@contextlib.contextmanager
def serving(routes: Mapping[str, Route], *, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """The server on a free port of this machine, in a thread of its own."""
    server, ready, loop = Server(routes), threading.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        listening = await asyncio.start_server(server.handle, "127.0.0.1", 0, ssl=tls)
        server.url = f"http{'s' if tls else ''}://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        ready.set()
        try:
            await listening.serve_forever()
        finally:
            listening.close()

    thread = threading.Thread(target=_run, args=(loop, serve), daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(_cancel_all, loop)
        thread.join(10)
        assert not thread.is_alive()


def _run(loop: asyncio.AbstractEventLoop, serve: Callable[[], Any]) -> None:
    try:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(serve())
        loop.run_until_complete(_ended())
    finally:
        loop.close()


async def _ended() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)  # what they closed is closed in the loop's next turn


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()


def self_signed() -> ssl.SSLContext:
    """TLS with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(private + made.public_bytes(serialization.Encoding.PEM))
        file.flush()
        context.load_cert_chain(file.name)
    return context
