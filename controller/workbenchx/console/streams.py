"""Server-sent events: resumable, kept alive, ended by their token or by the server, and never faster than their reader."""

import asyncio
import collections
import contextlib
import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from starlette import responses, types

from workbenchx.console import parts, problems, wire
from workbenchx.console.auth import asking

MEDIA_TYPE = "text/event-stream"
KEEP_ALIVE = b": still here\n\n"
KEEP_ALIVE_SECONDS = 15.0
# A client that reads nothing for so long is gone, whatever its connection says.
_STUCK_SECONDS = 60.0
_LOOK_SECONDS = 5.0


def wanted(accept: str) -> bool:
    """Whether the caller asks for a stream."""
    return any(each.split(";")[0].strip() == MEDIA_TYPE for each in accept.split(","))


def event(kind: str, data: Any, *, number: int | None = None) -> bytes:
    """One event on the wire. JSON has no line break in it."""
    named = f"id: {number}\n" if number is not None else ""
    return f"{named}event: {kind}\ndata: ".encode() + wire.encode(data) + b"\n\n"


class Places:
    """How many streams are open, in all and by caller. `most`, `each`: where others bounds hold than those of events."""

    def __init__(self, most: int | None = None, each: int | None = None) -> None:
        self._most = most
        self._each = each
        self._open: collections.Counter[str] = collections.Counter()

    @contextlib.contextmanager
    def taken(self, chosen: parts.Parts, caller: str) -> Any:
        """One stream's place, while inside.

        Raises:
            problems.Problem: 429 or 503.
        """
        if self._open[caller] >= (self._each or chosen.bounds.streams_each):
            raise problems.Problem(
                429,
                "streams: you have too many open; close one",
                headers={"Retry-After": "5"},
            )
        if self._open.total() >= (self._most or chosen.bounds.streams):
            raise problems.Problem(
                503, "streams: too many are open here", headers={"Retry-After": "5"}
            )
        self._open[caller] += 1
        chosen.meters.streams.inc()
        try:
            yield
        finally:
            chosen.meters.streams.dec()
            self._open[caller] -= 1
            if not self._open[caller]:
                del self._open[caller]


class EventStream(responses.Response):
    """Sends what `events` yields as it comes. The client's going, or its silence, ends the generator at once."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        events: AsyncGenerator[bytes, None],
        release: contextlib.ExitStack,
        more: Mapping[str, str] | None = None,
    ) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(headers=headers | dict(more or {}))
        del self.headers["content-length"]
        self._events = events
        self._release = release
        self._since: float | None = None

    async def __call__(
        self,
        scope: types.Scope,  # noqa: ARG002 - ASGI's signature
        receive: types.Receive,
        send: types.Send,
    ) -> None:
        """Answer the request."""
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        with self._release:
            await send(start)
            sending = asyncio.create_task(self._send(send))
            leaving = asyncio.create_task(_gone(receive))
            try:
                done = None
                while not done and not self._stuck():
                    done, _ = await asyncio.wait(
                        (sending, leaving),
                        timeout=_LOOK_SECONDS,
                        return_when=asyncio.FIRST_COMPLETED,
                    )
            finally:
                for task in (sending, leaving):
                    task.cancel()
                await asyncio.gather(sending, leaving, return_exceptions=True)
                await self._events.aclose()

    def _stuck(self) -> bool:
        """Whether one piece waits for its reader for too long. Looked at now and then: a timer for each piece would cost more."""
        return self._since is not None and time.monotonic() - self._since > _STUCK_SECONDS

    async def _send(self, send: types.Send) -> None:
        async for chunk in self._events:
            self._since = time.monotonic()
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            self._since = None
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: types.Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def ticks(
    asks: asking.Asking, chosen: parts.Parts, *channels: str
) -> AsyncGenerator[bool, None]:
    """True at once and whenever something changed, False when it is time for a sign of life.

    Ends when the token does, or the server.
    """
    with chosen.hub.subscribe(*channels) as mine:
        yield True
        while not chosen.hub.closing:
            left = asks.seconds_left()
            if left <= 0:
                return
            changed = await mine.changed(min(KEEP_ALIVE_SECONDS, left))
            if not chosen.hub.closing:
                yield changed


def resumed(headers: Mapping[str, str], after: int) -> int:
    """Behind which event a stream goes on: Last-Event-ID, else what the query says.

    Raises:
        problems.Problem: 422.
    """
    said = headers.get("last-event-id", "").strip()
    if not said:
        return after
    if not (said.isascii() and said.isdigit() and int(said[:20]) < 2**63):
        raise problems.Problem(422, "header Last-Event-ID: it is the number of no event")
    return int(said)
