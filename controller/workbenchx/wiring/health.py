"""`/healthz`, `/readyz` and `/metrics` of a process that serves nothing else. For machines: no caller, no data of any."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import prometheus_client as prometheus

from workbenchx import errors

_HEAD_BYTES = 8 * 1024
_SECONDS = 5.0
_TEXT = "text/plain; charset=utf-8"
Check = Callable[[], str | None]
"""None: all is well; else what is wrong, in one line."""


class Health:
    """What is answered. `alive` failing means: restart this process; `ready` failing means: it cannot work now."""

    def __init__(
        self, *, alive: Check, ready: Check, registry: prometheus.CollectorRegistry
    ) -> None:
        self._checks = {"/healthz": alive, "/readyz": ready}
        self._registry = registry

    @contextlib.asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncIterator[str]:
        """Answer inside the block; the URL of it.

        Raises:
            errors.Stalled: reason AddressTaken.
        """
        try:
            server = await asyncio.start_server(self._answer, host, port, limit=_HEAD_BYTES)
        except (OSError, OverflowError) as error:
            raise errors.Stalled(
                f'health: it cannot listen on "{host}" port {port} ({error}); set health_host and health_port',
                reason="AddressTaken",
            ) from error
        address, bound = server.sockets[0].getsockname()[:2]
        try:
            yield f"http://{f'[{address}]' if ':' in address else address}:{bound}"
        finally:
            server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer, the end: probes are few."""
        with contextlib.suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._page(head.split(b"\r\n", 1)[0].decode("latin-1")))
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    def _page(self, request: str) -> bytes:
        method, _, rest = request.partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        if method not in {"GET", "HEAD"}:
            return _framed("405 Method Not Allowed", _TEXT, b"GET only\n")
        if path == "/metrics":
            body = prometheus.generate_latest(self._registry)
            return _framed("200 OK", prometheus.CONTENT_TYPE_LATEST, body)
        if path not in self._checks:
            return _framed("404 Not Found", _TEXT, b"/healthz, /readyz, /metrics\n")
        wrong = self._checks[path]()
        status = "200 OK" if wrong is None else "503 Service Unavailable"
        return _framed(status, _TEXT, f"{wrong or 'ok'}\n".encode())


def _framed(status: str, media_type: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode("latin-1") + body
