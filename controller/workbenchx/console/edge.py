"""The outermost layer of every request: host, size, time, headers, and errors that nobody foresaw.

Plain ASGI, so that streams pass through untouched.
"""

import asyncio
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from starlette import datastructures, exceptions, types

from workbenchx.console import limits, metrics, problems, tracing

_STREAM = "text/event-stream"
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Rules:
    """What the edge enforces. `hosts`: names that this server answers to (empty: any; a proxy in front decides)."""

    limits: limits.Limits
    hosts: frozenset[str] = frozenset()
    large: Mapping[str, int] = dataclasses.field(default_factory=dict)
    slow: Mapping[str, float] = dataclasses.field(default_factory=dict)


class Edge:
    """Wraps the application."""

    def __init__(self, app: types.ASGIApp, *, rules: Rules, meters: metrics.Meters) -> None:
        self._app = app
        self._rules = rules
        self._meters = meters

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        """One request (or the application's life, which passes)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answering = _Answering(send)
        with self._meters.request(scope, answering), tracing.request(scope):
            await self._guarded(scope, receive, answering)

    async def _guarded(
        self, scope: types.Scope, receive: types.Receive, answering: "_Answering"
    ) -> None:
        try:
            self._check_host(scope)
            receive = _Counting(receive, self._most_bytes(scope)).admit(scope)
            async with asyncio.timeout(self._seconds(scope)) as clock:
                answering.clock = clock
                await self._app(scope, receive, answering)
        except Exception as error:
            found = problems.of(error)
            if answering.status:
                raise
            await problems.answer(found)(scope, receive, answering)

    def _check_host(self, scope: types.Scope) -> None:
        """A page of another site that had its name point here (DNS rebinding) says that name."""
        if not self._rules.hosts:
            return
        said = datastructures.Headers(scope=scope).getlist("host")
        if len(said) != 1 or _name(said[0]) not in self._rules.hosts:
            raise problems.Problem(
                421, "host: this server does not answer to that name", reason="WrongHost"
            )

    def _seconds(self, scope: types.Scope) -> float:
        return self._rules.slow.get(scope["path"], self._rules.limits.seconds)

    def _most_bytes(self, scope: types.Scope) -> int:
        return self._rules.large.get(scope["path"], self._rules.limits.body)


def _name(host: str) -> str:
    """The host without its port, as it compares."""
    if host.startswith("["):
        return host.partition("]")[0].lstrip("[").lower()
    return host.partition(":")[0].rstrip(".").lower()


class _Answering:
    """The answer on its way out: gets its headers here. A stream is not bound to a request's time."""

    def __init__(self, send: types.Send) -> None:
        self._send = send
        self.clock: asyncio.Timeout | None = None
        self.status = 0

    async def __call__(self, message: types.Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = datastructures.MutableHeaders(scope=message)
            _add(headers, _HEADERS.items())
            if self.clock is not None and headers.get("content-type", "").startswith(_STREAM):
                self.clock.reschedule(None)
        await self._send(message)


def _add(headers: datastructures.MutableHeaders, wanted: Iterable[tuple[str, str]]) -> None:
    for name, value in wanted:
        headers.setdefault(name, value)


class _Counting:
    """A body that may not grow beyond its limit."""

    def __init__(self, receive: types.Receive, most: int) -> None:
        self._receive = receive
        self._most = most
        self._seen = 0

    def admit(self, scope: types.Scope) -> types.Receive:
        """Itself; a length that is said to be too much is refused unread."""
        said = datastructures.Headers(scope=scope).get("content-length", "")
        if said.isascii() and said.isdigit() and int(said) > self._most:
            raise self._too_large()
        return self

    async def __call__(self) -> types.Message:
        message: dict[str, Any] = dict(await self._receive())
        self._seen += len(message.get("body", b""))
        if self._seen > self._most:
            raise self._too_large()
        return message

    def _too_large(self) -> exceptions.HTTPException:
        # FastAPI lets this kind of error pass while it reads a body, and no other.
        return exceptions.HTTPException(413, f"body: more than {self._most} bytes")
