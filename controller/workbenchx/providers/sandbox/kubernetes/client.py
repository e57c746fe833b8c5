"""A thin client of an API server: objects, paged lists, watches, and programs executed in containers.

Thin because the official one costs 60 MB and more than a second of CPU to import (decision 088). Whatever goes wrong is
an error by what to do next; what is missing, there already or changed meanwhile has exceptions of its own, which the
adapter decides about. Where it does not, they say what the rest says: look again later.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

import aiohttp

from workbenchx import errors
from workbenchx.providers.sandbox.kubernetes import access, execution

Json = dict[str, Any]

_PAGE = 500
_TIMEOUT = aiohttp.ClientTimeout(total=30.0, sock_connect=10.0)
_STREAM = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=300.0)
_WATCH_SECONDS = 240
_LONGEST_LINE = 1 << 22
_CONNECTIONS = 64
_REFUSED_PAUSES = (0.5, 1.5)
_MERGE = "application/merge-patch+json"


class MissingError(errors.Waiting):
    """There is no such object."""


class TakenError(errors.Waiting):
    """There is one of that name already, or it changed since it was read."""


class GoneError(errors.Waiting):
    """The place in the history from which to watch is too old: list again."""


class _RefusedError(errors.Stalled):
    """Who we are, or what we may do, is not enough; an API server that just started says so of everybody."""


_OF_AN_OBJECT = {404: MissingError, 409: TakenError, 410: GoneError}


class Client:
    """Requests to one API server. Opened at its first use; `close` when done."""

    def __init__(self, found: access.Access) -> None:
        self.access = found
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def get(self, path: str) -> Json:
        """An object."""
        return await self._call("GET", path)

    async def create(self, path: str, document: Json) -> Json:
        """Make an object; `path` is of its collection."""
        return await self._call("POST", path, body=document)

    async def merge(self, path: str, change: Json) -> Json:
        """Change an object by a merge patch. TakenError if `change` names a resourceVersion that is over."""
        return await self._call("PATCH", path, body=change, media_type=_MERGE)

    async def delete(self, path: str, options: Json) -> None:
        """Delete an object; one that is missing is fine."""
        with contextlib.suppress(MissingError):
            await self._call("DELETE", path, body=options)

    async def list(self, path: str, labels: str) -> tuple[list[Json], str]:
        """All objects with these labels, page after page, and the version at which to begin to watch.

        A list that breaks off in the middle is an error, never a short list.
        """
        items: list[Json] = []
        query = {"labelSelector": labels, "limit": str(_PAGE)}
        while True:
            page = await self._call("GET", path, query=query)
            items += page["items"]
            if not (rest := page["metadata"].get("continue")):
                return items, str(page["metadata"]["resourceVersion"])
            query["continue"] = rest

    async def watch(self, path: str, labels: str, version: str) -> AsyncGenerator[Json, None]:
        """Events `{type, object}` since `version`, until the server ends the stream. GoneError: list again."""
        query = {
            "labelSelector": labels,
            "watch": "1",
            "resourceVersion": version,
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        async with self._open("GET", path, query=query, timeout=_STREAM) as response:
            async for line in response.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise GoneError
                yield event

    async def execute(
        self,
        path: str,
        container: str,
        command: Sequence[str],
        *,
        given: AsyncIterator[bytes] | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """Execute a program in a container of the pod at `path`: what it prints.

        Raises:
            execution.FailedError: it ended with another code than 0, or could not be executed.
        """
        query = [("container", container), ("stdout", "1"), ("stderr", "1")]
        query += [("command", word) for word in command]
        if given is not None:
            query.append(("stdin", "1"))
        with _mapped("exec"):
            connecting = self._ready().ws_connect(
                f"{self.access.url}{path}/exec",
                params=query,
                headers=self.access.headers(),
                ssl=self.access.tls,
                protocols=(execution.PROTOCOL,),
                max_msg_size=0,
                heartbeat=20.0,
                timeout=aiohttp.ClientWSTimeout(ws_close=5.0),
            )
            async with (
                connecting as socket,
                contextlib.aclosing(execution.converse(socket, given)) as talk,
            ):
                async for data in talk:
                    yield data

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        media_type: str = "application/json",
    ) -> Json:
        for pause in _REFUSED_PAUSES:
            with contextlib.suppress(_RefusedError):
                return await self._once(method, path, query, body, media_type)
            await asyncio.sleep(pause)
        return await self._once(method, path, query, body, media_type)

    async def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Json | None,
        media_type: str,
    ) -> Json:
        async with self._open(
            method, path, query=query, body=body, media_type=media_type
        ) as response:
            found: Json = await response.json(content_type=None)
            return found

    @contextlib.asynccontextmanager
    async def _open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        media_type: str = "application/json",
        timeout: aiohttp.ClientTimeout | None = None,  # noqa: ASYNC109 - aiohttp owns the time-out
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = self.access.headers() | ({"Content-Type": media_type} if body is not None else {})
        with _mapped(f"{method} {path}"):
            async with self._ready().request(
                method,
                f"{self.access.url}{path}",
                params=query,
                data=None if body is None else json.dumps(body).encode(),
                headers=headers,
                ssl=self.access.tls,
                timeout=timeout or _TIMEOUT,
                allow_redirects=False,
            ) as response:
                if response.status >= 400:
                    await _refuse(response, f"{method} {path}")
                yield response

    def _ready(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
                read_bufsize=_LONGEST_LINE,
                timeout=_TIMEOUT,  # of what says none: to open a conversation
            )
        return self._session


@contextlib.contextmanager
def _mapped(what: str) -> Any:
    """Connections that fail, and time-outs, pass by themselves."""
    try:
        yield
    except aiohttp.WSServerHandshakeError as problem:
        later = problem.headers.get("Retry-After") if problem.headers else None
        raise _error(problem.status, problem.message, what, later) from problem
    except (aiohttp.ClientError, TimeoutError, OSError, json.JSONDecodeError) as problem:
        raise errors.Waiting(
            f"kubernetes: the API server does not answer: {what}: {type(problem).__name__}",
            reason="ProviderUnavailable",
        ) from problem


async def _refuse(response: aiohttp.ClientResponse, what: str) -> None:
    text = await response.text()
    with contextlib.suppress(ValueError, AttributeError):
        text = str(json.loads(text).get("message", text))
    raise _error(response.status, text, what, response.headers.get("Retry-After"))


def _error(status: int, text: str, what: str, later: str | None) -> Exception:
    text = " ".join(text.split())[:500]
    if kind := _OF_AN_OBJECT.get(status):
        return kind(f"kubernetes: {what}: {text}", reason="ProviderUnavailable")
    if status == 429 or status >= 500:
        pause = float(later) if later and later.isdigit() else 5.0
        return errors.Waiting(
            f"kubernetes: the API server is busy: {what}: {status} {text}",
            reason="RateLimited" if status == 429 else "ProviderUnavailable",
            retry_after=pause,
        )
    refused = _reason(status, text) == "ProviderUnavailable"
    return (_RefusedError if refused else errors.Stalled)(
        f"kubernetes: {what} is refused: {text}{_way_out(status, text)}",
        reason=_reason(status, text),
    )


def _reason(status: int, text: str) -> str:
    if status == 403 and "exceeded quota" in text:
        return "QuotaExceeded"
    return "ProviderUnavailable" if status in {401, 403} else "InvalidSpec"


def _way_out(status: int, text: str) -> str:
    if status == 403 and "exceeded quota" in text:
        return "; raise the ResourceQuota of the namespace, or ask for less"
    if status in {401, 403}:
        return "; bind the role of the manifests (sandboxes) to the worker's service account"
    return ""
