"""A thin client of the API server: connections are kept, answers come as they are, `Retry-After` is honoured by callers."""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple

import aiohttp

from workbenchx import errors
from workbenchx.api import registry
from workbenchx.operator import kubeconfig

MANAGER = "workbenchx"
FINALIZING = "workbenchx-finalizer"
FINALIZER = "workbenchx.dev/provider"
PAGE = 200
CONNECTIONS = 48
SECONDS = 30.0
_VERSION = re.compile(rb'"resourceVersion": ?"(\d+)"')
_APPLY = {"Content-Type": "application/apply-patch+yaml"}
_MERGE = {"Content-Type": "application/merge-patch+json"}
_PATCH = {"Content-Type": "application/json-patch+json"}
_JSON = {"Content-Type": "application/json"}


class Answer(NamedTuple):
    """What the server answered. `retry_after`: seconds that it asks to wait, if it does."""

    code: int
    body: bytes
    retry_after: float | None = None

    @property
    def done(self) -> bool:
        """Whether it did what was asked."""
        return 200 <= self.code < 300

    @property
    def version(self) -> int:
        """The version of the object that it shows; 0: it shows none."""
        found = _VERSION.search(self.body)
        return int(found[1]) if found else 0

    @property
    def message(self) -> str:
        """What it says, on one line."""
        try:
            text = str(json.loads(self.body)["message"])
        except (ValueError, KeyError, TypeError):
            text = self.body[:200].decode("utf-8", "replace")
        return f"{self.code}: {' '.join(text.split())[:300]}"


class Page(NamedTuple):
    """One page of a list, and the version of the whole list."""

    items: list[dict[str, Any]]
    version: int


class UnreachableError(errors.Waiting):
    """The API server does not answer, or not what was asked for."""

    def __init__(self, message: str, *, code: int = 0, retry_after: float = 1.0) -> None:
        super().__init__(message, reason="ClusterUnavailable", retry_after=retry_after)
        self.code = code


def path(kind: str, namespace: str = "", name: str = "", sub: str = "") -> str:
    """The path of an object, or of a list."""
    parts = [f"/apis/{registry.API_VERSION}"]
    if namespace:
        parts += ["namespaces", namespace]
    parts += [part for part in (registry.KINDS[kind].plural, name, sub) if part]
    return "/".join(parts)


class Client:
    """Speaks as the operator. Made and closed in the loop that uses it."""

    def __init__(self, access: kubeconfig.Access) -> None:
        self._access = access
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=access.tls, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(total=SECONDS, sock_connect=10),
            headers={"User-Agent": "workbenchx-operator", "Accept": "application/json"},
            raise_for_status=False,
        )

    async def close(self) -> None:
        """Close its connections."""
        await self.session.close()

    async def send(
        self,
        method: str,
        where: str,
        *,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request.

        Raises:
            UnreachableError: nobody answered.
        """
        token = self._access.token
        more = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with self.session.request(
                method,
                self._access.server + where,
                data=data,
                headers={**(headers or {}), **more},
                params=params,
            ) as answer:
                body = await answer.read()
                return Answer(answer.status, body, _seconds(answer.headers.get("Retry-After")))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            text = " ".join(str(error).split()) or type(error).__name__
            raise UnreachableError(f"API server: it does not answer: {text}") from error

    async def get(self, where: str, params: Mapping[str, str] | None = None) -> Any:
        """What is there.

        Raises:
            UnreachableError: it does not answer, or refuses; `code` says how.
        """
        answer = await self.send("GET", where, params=params)
        if not answer.done:
            raise UnreachableError(
                f"API server: GET {where}: {answer.message}",
                code=answer.code,
                retry_after=answer.retry_after or 1.0,
            )
        return json.loads(answer.body)

    async def pages(self, kind: str) -> AsyncIterator[Page]:
        """The objects of a kind, all of one moment, page by page.

        Raises:
            UnreachableError: it could not be read to its end.
        """
        params = {"limit": str(PAGE)}
        version = 0
        while True:
            found = await self.get(path(kind), params)
            metadata = found["metadata"]
            version = version or int(metadata["resourceVersion"])
            yield Page(found["items"], version)
            if not metadata.get("continue"):
                return
            params["continue"] = metadata["continue"]

    async def apply_status(self, kind: str, namespace: str, name: str, data: bytes) -> Answer:
        """Server-side apply of a status, ours by force.

        Apply refuses unknown fields by itself; checking them once more costs the server a twelfth.
        """
        where = path(kind, namespace, name, "status")
        params = {"fieldManager": MANAGER, "force": "true", "fieldValidation": "Ignore"}
        return await self.send("PATCH", where, data=data, headers=_APPLY, params=params)

    async def apply_finalizer(
        self, kind: str, namespace: str, name: str, uid: str, finalizers: Sequence[str]
    ) -> Answer:
        """Server-side apply of our finalizers, those of others untouched; none: ours go."""
        metadata = {"name": name, "uid": uid, "finalizers": list(finalizers)}
        metadata |= {"namespace": namespace} if namespace else {}
        body = {"apiVersion": registry.API_VERSION, "kind": kind, "metadata": metadata}
        where, params = path(kind, namespace, name), {"fieldManager": FINALIZING, "force": "true"}
        data = json.dumps(body).encode()
        return await self.send("PATCH", where, data=data, headers=_APPLY, params=params)

    async def cut_finalizer(self, kind: str, namespace: str, name: str, answer: Answer) -> Answer:
        """Take our finalizer out of an object, as an answer shows it, where somebody else put it there (a restored backup)."""
        finalizers = json.loads(answer.body)["metadata"].get("finalizers", [])
        if FINALIZER not in finalizers:
            return answer
        place = f"/metadata/finalizers/{finalizers.index(FINALIZER)}"
        change = [
            {"op": "test", "path": place, "value": FINALIZER},
            {"op": "remove", "path": place},
        ]
        where, data = path(kind, namespace, name), json.dumps(change).encode()
        return await self.send("PATCH", where, data=data, headers=_PATCH)

    async def post_event(self, namespace: str, data: bytes) -> Answer:
        """Create a Kubernetes Event."""
        return await self.send(
            "POST", f"/api/v1/namespaces/{namespace}/events", data=data, headers=_JSON
        )

    async def count_event(self, namespace: str, name: str, change: Mapping[str, Any]) -> Answer:
        """Say that what an Event tells happened again."""
        where, data = f"/api/v1/namespaces/{namespace}/events/{name}", json.dumps(change).encode()
        return await self.send("PATCH", where, data=data, headers=_MERGE)


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdigit() else None
