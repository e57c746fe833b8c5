"""Calls on one bucket of a Supabase project: each ends in time, is made once, and fails as an error of ours."""

import asyncio
import contextlib
import ipaddress
import urllib.parse
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Annotated, Any

import httpx
import pydantic
from pydantic.alias_generators import to_camel

from workbenchx import errors
from workbenchx.providers import given
from workbenchx.providers.storage.supabase_storage import faults

SECONDS, PART_SECONDS = 60.0, 300.0
_TIMES = httpx.Timeout(60.0, connect=10.0)
_LIMITS = httpx.Limits(max_connections=32, max_keepalive_connections=8)
_SLICE = 1 << 18
_API = "/storage/v1"


class Settings(pydantic.BaseModel):
    """`spec.settings` of a StorageProvider with this adapter."""

    model_config = pydantic.ConfigDict(extra="forbid", alias_generator=to_camel, strict=True)

    bucket: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    prefix: Annotated[str, pydantic.Field(pattern=r"^([A-Za-z0-9_.-]+/)*$", max_length=200)] = ""
    create_bucket: bool = True


class Expected(Exception):
    """The server refused in a way that the caller asked to be told of."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


async def sliced(data: memoryview) -> AsyncIterator[bytes]:
    """A body that is not copied whole into the socket's buffer; the request needs a Content-Length of its own."""
    for start in range(0, len(data), _SLICE):
        yield bytes(data[start : start + _SLICE])


class Bucket:
    """The bucket and prefix of one StorageProvider."""

    def __init__(self, settings: Settings, credential: given.Credential) -> None:
        self._settings = settings
        self._credential = credential
        self._client: httpx.AsyncClient | None = None
        self._ready = False
        self._checking = asyncio.Lock()
        self.name = settings.bucket

    @property
    def where(self) -> str:
        """The bucket, as messages name it."""
        return f"{self._client.base_url if self._client else 'Supabase'}/{self.name}".replace(
            f"{_API}/", ""
        )

    def key(self, of: str) -> str:
        """The whole key."""
        return f"{self._settings.prefix}{of}"

    def path(self, of: str, *before: str) -> str:
        """The path of a call on a key."""
        return "/".join(["/object", *before, self.name, urllib.parse.quote(self.key(of))])

    async def ask(
        self,
        method: str,
        path: str,
        *,
        expected: Collection[str] = (),
        seconds: float = SECONDS,
        headers: Mapping[str, str] | None = None,
        body: bytes | AsyncIterator[bytes] | None = None,
        said: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        """One call; its answer, read. `said` is sent as JSON.

        Raises:
            Expected: the server refused with one of these codes.
            errors.WorkbenchError: anything else that went wrong.
        """
        await self.ready()
        what: dict[str, Any] = {"headers": headers, "content": body}
        if said is not None:
            what = {"headers": headers, "json": dict(said)}
        return await self._ask(method, path, expected, seconds, what)

    @contextlib.asynccontextmanager
    async def stream(
        self, path: str, *, expected: Collection[str] = ()
    ) -> AsyncIterator[httpx.Response]:
        """The answer to a GET, unread. What goes wrong while it is read is told as well."""
        await self.ready()
        with self._told():
            async with self._connected().stream("GET", path) as answer:
                if answer.is_error:
                    await answer.aread()
                    self._refuse(answer, expected)
                yield answer

    def parsed(self, answer: httpx.Response) -> dict[str, Any]:
        """The object in an answer; what is none comes from somebody on the way, and passes."""
        try:
            found = answer.json()
        except ValueError as problem:
            raise faults.unreachable(problem, self.where) from problem
        if not isinstance(found, dict):
            raise faults.waiting(f'"{self.where}" answers something else than was asked')
        return found

    def absolute(self, path: str) -> str:
        """A URL for whoever is outside, of a path that the server answered."""
        return str(self._connected().base_url).rstrip("/") + path

    async def ready(self) -> None:
        """Once a process: the bucket is there, made if need be, and is private."""
        if self._ready:
            return
        async with self._checking:
            if not self._ready:
                await self._check()
                self._ready = True

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()

    async def _check(self) -> None:
        path = f"/bucket/{self.name}"
        try:
            found = await self._ask("GET", path, faults.NO_BUCKET, SECONDS, {})
        except Expected:
            await self._make()
            return
        if self.parsed(found).get("public"):
            raise faults.stalled(
                f'bucket "{self.where}" is public: whoever guesses a digest could read it; make it private'
            )

    async def _make(self) -> None:
        if not self._settings.create_bucket:
            raise faults.stalled(
                f'there is no bucket "{self.where}": make it (private), or let settings.createBucket be true'
            )
        wanted = {"id": self.name, "name": self.name, "public": False}
        with contextlib.suppress(Expected):
            await self._ask("POST", "/bucket", faults.BUCKET_STANDS, SECONDS, {"json": wanted})

    async def _ask(
        self,
        method: str,
        path: str,
        expected: Collection[str],
        seconds: float,
        what: Mapping[str, Any],
    ) -> httpx.Response:
        with self._told():
            async with asyncio.timeout(seconds):
                answer = await self._connected().request(method, path, **what)
        if answer.is_error:
            self._refuse(answer, expected)
        return answer

    def _refuse(self, answer: httpx.Response, expected: Collection[str]) -> None:
        refusal = faults.Refusal.of(answer)
        if refusal.code in expected:
            raise Expected(refusal.code)
        raise faults.of(refusal, self.where)

    @contextlib.contextmanager
    def _told(self) -> Any:
        try:
            yield
        except (httpx.HTTPError, OSError) as problem:
            raise faults.unreachable(problem, self.where) from problem

    def _connected(self) -> httpx.AsyncClient:
        if self._client is None:
            url, key = self._credential("url").rstrip("/"), self._credential("serviceKey")
            self._client = httpx.AsyncClient(
                base_url=_base(url),
                headers={"Authorization": f"Bearer {key}", "apikey": key},
                timeout=_TIMES,
                limits=_LIMITS,
                trust_env=not _is_here(url),
            )
        return self._client


def _base(url: str) -> str:
    """Of the project's URL.

    Raises:
        errors.Stalled: reason InvalidSpec. The text itself is not shown: it may be another secret by mistake.
    """
    parts = urllib.parse.urlsplit(url)
    if not parts.hostname or not (parts.scheme == "https" or _is_here(url)):
        raise errors.Stalled(
            "storage: the credential url must be https://REF.supabase.co, the project's URL",
            reason="InvalidSpec",
        )
    return url if parts.path.endswith(_API) else url + _API


def _is_here(url: str) -> bool:
    host = urllib.parse.urlsplit(url).hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
