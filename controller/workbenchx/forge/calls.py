"""Calls to the REST API of a forge: a credential for each, an end in time, answers of a bounded size, nothing retried."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import httpx

import workbenchx
from workbenchx import errors
from workbenchx.forge import faults

Headers = Callable[[], Awaitable[Mapping[str, str]]]
SECONDS = 60.0
_CONNECT_SECONDS = 10.0
_BYTES = 32 * 1024 * 1024
_PAGES = 200
_NO_COMMIT = b"No commit found"  # GitHub's word for a 404 of a commit
_USER_AGENT = f"workbenchx/{workbenchx.__version__}"


class Missing(Exception):
    """The forge says that there is no such thing (404)."""


class Calls:
    """The API of one forge.

    `who` names it in messages; `headers` answers those of the next call, the credential in them; `denied` is called when
    that is refused, and the next call gets another one.

    A redirect is not followed: the credential belongs to one place.
    """

    def __init__(
        self,
        base: str,
        who: str,
        headers: Headers,
        *,
        seconds: float = SECONDS,
        denied: Callable[[], None] | None = None,
    ) -> None:
        self.base = base.rstrip("/")
        self.who = who
        self._headers = headers
        self._seconds = seconds
        self._denied = denied
        self._opened: httpx.AsyncClient | None = None

    async def aclose(self) -> None:
        """Close every connection; a call after that opens another one."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        said: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """What the API answers, parsed; None for an empty answer. `headers` in place of the usual ones.

        Raises:
            Missing: 404.
            errors.Stalled: reason ForgeRefused.
            errors.Waiting: reason RateLimited or ForgeUnavailable.
        """
        sent = headers if headers is not None else await self._headers()
        return (await self._answer(method, path, said, params, sent))[0]

    async def need(self, method: str, path: str, said: Any = None, **more: Any) -> Any:
        """As `ask`, for what must be there: 404 is Stalled(ForgeRefused)."""
        try:
            return await self.ask(method, path, said, **more)
        except Missing as problem:
            raise self._not_there(problem) from problem

    async def pages(
        self, path: str, params: Mapping[str, Any], *, size: tuple[str, int], key: str | None = None
    ) -> AsyncIterator[Any]:
        """Every item of a listing, page by page. `size`: how the API calls it, and its most; `key`: where in the answer they are.

        Raises:
            errors.WorkbenchError: as `need`.
        """
        for page in range(1, _PAGES + 1):
            asked = {**params, size[0]: size[1], "page": page}
            try:
                answer, back = await self._answer("GET", path, None, asked, await self._headers())
            except Missing as problem:
                raise self._not_there(problem) from problem
            items = (answer[key] if key else answer) or ()
            for each in items:
                yield each
            if not _more(back, len(items), size[1]):
                return

    async def _answer(
        self,
        method: str,
        path: str,
        said: Any,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str],
    ) -> tuple[Any, Mapping[str, str]]:
        """What came, parsed, and its headers."""
        try:
            async with asyncio.timeout(self._seconds):
                status, back, body = await self._send(method, path, said, params, headers)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as problem:
            raise faults.unanswered(self.who, problem) from problem
        if status == 404 or (status == 422 and _NO_COMMIT in body):
            raise Missing(faults.said(body))
        if status == 401 and self._denied is not None:
            self._denied()
            raise faults.away(self.who, "it refuses a credential that it gave", after=1.0)
        if not 200 <= status < 300:
            raise faults.answered(self.who, status, back, body)
        return self._parsed(body), back

    async def _send(
        self,
        method: str,
        path: str,
        said: Any,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str],
    ) -> tuple[int, Mapping[str, str], bytes]:
        async with self._client().stream(
            method, self.base + path, params=params, json=said, headers=headers
        ) as answer:
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > _BYTES:
                    raise faults.away(self.who, f"it answers with more than {_BYTES} bytes")
            return answer.status_code, answer.headers, bytes(body)

    def _client(self) -> httpx.AsyncClient:
        if self._opened is None:
            self._opened = httpx.AsyncClient(
                timeout=httpx.Timeout(self._seconds, connect=_CONNECT_SECONDS),
                headers={"User-Agent": _USER_AGENT},
                follow_redirects=False,
            )
        return self._opened

    def _not_there(self, problem: Missing) -> errors.WorkbenchError:
        return faults.answered(self.who, 404, {}, json.dumps({"message": str(problem)}).encode())

    def _parsed(self, body: bytes) -> Any:
        if not body.strip():
            return None
        try:
            return json.loads(body)
        except ValueError as problem:
            raise faults.away(self.who, "what it answers is not of its API") from problem


def _more(headers: Mapping[str, str], found: int, most: int) -> bool:
    """Whether another page follows. A server may allow less than was asked for, so a short page alone says nothing."""
    link = headers.get("link")
    return found == most if link is None else 'rel="next"' in link
