"""Requests to one API: each with its time-out, safe ones tried again, the token for this API alone."""

import asyncio
import contextlib
import dataclasses
import json
import random
import urllib.parse
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Any

import httpx

from workbenchx import errors, ports
from workbenchx.remote import addresses, connecting, problems, rows, sse, tokens

_ROOT = "/api/v1"
PAGE = 1000
SECONDS = 30.0
_WHOLE_SECONDS = 120.0
_SILENCE_SECONDS = 60.0
_PAUSES = (0.2, 0.5, 1.2)
_LONGEST_PAUSE = 30.0
_REDIRECTS = 3
_IDENTITY = {"Accept-Encoding": "identity"}


@dataclasses.dataclass(frozen=True, slots=True)
class _Request:
    """One request, as often as it is sent. `safe`: sending it twice does what once does."""

    method: str
    path: str
    params: Mapping[str, Any]
    body: Any = None
    safe: bool = True
    silence: float = SECONDS
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Client:
    """The API at `url`, as whoever `held` says. `close` it when done."""

    def __init__(self, url: str, held: tokens.Tokens | None) -> None:
        self.url = addresses.base(url)
        self.where = addresses.host(self.url)
        self._tokens = held
        self._clients: dict[str, httpx.AsyncClient] = {}

    async def close(self) -> None:
        """Give the connections back."""
        for client in self._clients.values():
            await client.aclose()

    def _to(self, url: str) -> httpx.AsyncClient:
        """The client for the host of an address."""
        host = addresses.host(url)
        if host not in self._clients:
            self._clients[host] = connecting.client(url)
        return self._clients[host]

    async def get(self, path: str, **params: Any) -> Any:
        """A document. None among `params`: not asked for.

        Raises:
            errors.Stalled: refused, not there, or no API of ours.
            errors.Waiting: it does not answer, also not to further tries.
        """
        return self._document(await self._answer(_Request("GET", path, params)))

    async def row(self, path: str, **params: Any) -> ports.Row:
        """A document that is a row. Errors as `get`."""
        return rows.row(await self.get(path, **params))

    async def pages(self, path: str, *, most: int | None = None, **params: Any) -> list[ports.Row]:
        """All rows of a list, or the first `most`. Errors as `get`."""
        found: list[ports.Row] = []
        cursor: str | None = None
        while most is None or len(found) < most:
            limit = PAGE if most is None else min(PAGE, most - len(found))
            page = await self.get(path, **params, limit=limit, cursor=cursor)
            items = page.get("items") if isinstance(page, dict) else None
            if not isinstance(items, list):
                raise problems.no_api(self.where, "answered no list")
            found += map(rows.row, items)
            before, cursor = cursor, page.get("next")
            if cursor is None:
                break
            if cursor == before or not items:
                raise problems.no_api(self.where, "answered a list without end")
        return found

    async def post(self, path: str, document: Any, *, safe: bool = False) -> Any:
        """What comes of an order. Unless `safe`, it is sent again only where it surely was not taken. Errors as `get`."""
        request = _Request("POST", path, {}, body=document, safe=safe)
        return self._document(await self._answer(request))

    async def content(
        self, path: str, *, silence: float = SECONDS, **params: Any
    ) -> tuple[bytes, httpx.Headers]:
        """Bytes as they are, and the headers. Errors as `get`."""
        request = _Request("GET", path, params, silence=silence, headers=_IDENTITY)
        response = await self._answer(request)
        return response.content, response.headers

    async def stream(self, path: str, last: str = "") -> AsyncGenerator[sse.Event, None]:
        """Events of one connection, until the API ends it.

        Raises:
            errors.Waiting: it broke off, or was silent for too long; begin anew from the last id.
            errors.Stalled: as `get`.
        """
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        headers |= {"Last-Event-ID": last} if last else {}
        request = _Request("GET", path, {}, silence=_SILENCE_SECONDS, headers=headers)
        async with contextlib.aclosing(self._chunks(request)) as chunks:
            async for event in sse.events(chunks, last):
                yield event

    async def _chunks(self, request: _Request) -> AsyncGenerator[bytes, None]:
        response = await self._authorized(request, stream=True)
        try:
            if not response.is_success:
                with self._transport():
                    await response.aread()
                raise self._error(response)
            if "text/event-stream" not in response.headers.get("content-type", ""):
                raise problems.no_api(self.where, "answered no events")
            with self._transport():
                async for chunk in response.aiter_bytes():
                    yield chunk
        finally:
            await response.aclose()

    async def download(self, url: str) -> AsyncGenerator[bytes, None]:
        """Bytes behind a signed link, which may be of another host: no token goes there. Errors as `get`."""
        where = urllib.parse.urljoin(f"{self.url}/", url)
        if url.startswith(_ROOT):
            where = self.url + url
        for _ in range(_REDIRECTS + 1):
            addresses.checked(where, "a link of the API")
            response = await self._open(where)
            try:
                if not response.is_redirect:
                    async for chunk in self._linked(response):
                        yield chunk
                    return
                where = urllib.parse.urljoin(where, response.headers.get("location", ""))
            finally:
                await response.aclose()
        raise problems.no_api(addresses.host(where), "redirects without end")

    async def _open(self, url: str) -> httpx.Response:
        client = self._to(url)
        request = client.build_request("GET", url, headers=_IDENTITY)
        for pause in (*_PAUSES, None):
            try:
                return await client.send(request, stream=True)
            except httpx.TransportError as error:
                if pause is None:
                    raise problems.silent(error, addresses.host(url)) from error
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        raise AssertionError

    async def _linked(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        where = addresses.host(str(response.url))
        try:
            if not response.is_success:
                await response.aread()
                raise problems.of(response, where)
            async for chunk in response.aiter_bytes():
                yield chunk
        except httpx.TransportError as error:
            raise problems.silent(error, where) from error

    async def _answer(self, request: _Request) -> httpx.Response:
        """The answer, after as many tries as the request allows."""
        for pause in (*_PAUSES, None):
            try:
                return await self._good(request)
            except errors.Waiting as problem:
                again = request.safe or isinstance(problem, problems.Unsent)
                if pause is None or not again or problem.retry_after > _LONGEST_PAUSE:
                    raise
                await asyncio.sleep(_jittered(max(problem.retry_after, pause), pause))
        raise AssertionError

    async def _good(self, request: _Request) -> httpx.Response:
        response = await self._authorized(request)
        if not response.is_success:
            raise self._error(response)
        return response

    async def _authorized(self, request: _Request, *, stream: bool = False) -> httpx.Response:
        """Sent with the token; once more with another one if that is refused."""
        token = await self._tokens.current() if self._tokens else None
        response = await self._once(request, token, stream=stream)
        if response.status_code != 401 or self._tokens is None or token is None:
            return response
        another = await self._tokens.renewed(token)
        if another is None:
            return response
        await response.aclose()
        return await self._once(request, another, stream=stream)

    async def _once(self, request: _Request, token: str | None, *, stream: bool) -> httpx.Response:
        headers = {"Accept": "application/json", **request.headers}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        client = self._to(self.url)
        built = client.build_request(
            request.method,
            f"{self.url}{_ROOT}/{request.path}",
            params={name: value for name, value in request.params.items() if value is not None},
            content=None if request.method == "GET" else _encoded(request.body),
            headers=headers if request.method == "GET" else headers | _JSON,
            timeout=connecting.within(request.silence),
        )
        with self._transport():
            async with asyncio.timeout(max(_WHOLE_SECONDS, request.silence)):
                return await client.send(built, stream=stream)

    @contextlib.contextmanager
    def _transport(self) -> Iterator[None]:
        """Errors of the connection as ours."""
        try:
            yield
        except httpx.TransportError as error:
            raise problems.silent(error, self.where) from error
        except TimeoutError as error:
            raise errors.Waiting(
                f"API: {self.where}: it did not answer in time", reason="ApiUnavailable"
            ) from error

    def _error(self, response: httpx.Response) -> errors.WorkbenchError:
        if response.is_redirect:
            target = urllib.parse.urljoin(str(response.url), response.headers.get("location", ""))
            return problems.no_api(self.where, f"redirects to {addresses.host(target)}")
        if response.status_code < 400:
            return problems.no_api(self.where, f"answered {response.status_code}")
        return problems.of(response, self.where)

    def _document(self, response: httpx.Response) -> Any:
        if "json" not in response.headers.get("content-type", ""):
            raise problems.no_api(self.where, "answered no JSON")
        try:
            return json.loads(response.content)
        except (ValueError, RecursionError) as error:
            raise problems.no_api(self.where, "answered broken JSON") from error


_JSON = {"Content-Type": "application/json"}


def _encoded(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "replace"
    )


def _jittered(wanted: float, pause: float) -> float:
    """What was asked for at least, and a little by chance, so that many do not come at once."""
    return wanted + random.uniform(0.0, pause)  # noqa: S311 - jitter, not a secret
