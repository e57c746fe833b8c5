"""Objects of a Source, written to the API server as its ServiceAccount. Implements ports.Cluster.

A worker may do one thing with its own token: ask for a short one of the account that a Source names. What may be applied
is what that account may do.
"""

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from workbenchx import errors, ports
from workbenchx.api import attached, registry
from workbenchx.operator import client, kubeconfig
from workbenchx.planner import model

_Given = TypeVar("_Given")
_Told = TypeVar("_Told")
LABEL = "workbenchx.dev/source"
AT_ONCE = 32
TOKEN_SECONDS = 3600
_MANY = 50
_KEPT = 0.8
_LABEL_LIMIT = 63
_APPLY = {"Content-Type": "application/apply-patch+yaml"}
_JSON = {"Content-Type": "application/json"}
_GONE, _CONFLICT, _BUSY, _FAILING = 404, 409, 429, 500
# What the server says, as a fault of its own, of a field that its definition of the kind does not have.
_UNTYPED = b"failed to create typed patch object"


@contextlib.asynccontextmanager
async def speaking(access: kubeconfig.Access) -> AsyncIterator["Accounts"]:
    """Accounts of one API server, and their connections for a while."""
    made = Accounts(access)
    try:
        yield made
    finally:
        await made.close()


class Accounts:
    """Speaks as one account after the other. Close it in the loop that used it."""

    def __init__(self, access: kubeconfig.Access) -> None:
        self._own = client.Client(access)
        self._access = access
        self._known: dict[tuple[str, str], tuple[client.Client, float]] = {}
        self._lock = asyncio.Lock()

    async def close(self) -> None:
        """Close all connections."""
        for kept, _ in self._known.values():
            await kept.close()
        await self._own.close()

    async def apply(
        self, account: ports.Account, manifests: Sequence[ports.Manifest]
    ) -> Mapping[model.Key, str]:
        """See ports.Cluster.apply."""
        api = await self._as(account)

        async def one(manifest: ports.Manifest) -> str | None:
            return await _apply(api, account, manifest)

        told = await _each(one, manifests)
        return {each.key: why for each, why in zip(manifests, told, strict=True) if why}

    async def objects(
        self, account: ports.Account, keys: Sequence[model.Key]
    ) -> Mapping[model.Key, Mapping[str, Any]]:
        """See ports.Cluster.objects. Many of them are read in pages of their kinds."""
        api = await self._as(account)
        if len(keys) > _MANY:
            return await _listed(api, account, keys)

        async def one(key: model.Key) -> Mapping[str, Any] | None:
            return await _got(api, key)

        told = await _each(one, keys)
        return {key: body for key, body in zip(keys, told, strict=True) if body is not None}

    async def delete(
        self, account: ports.Account, keys: Sequence[model.Key]
    ) -> Mapping[model.Key, str]:
        """See ports.Cluster.delete."""
        api = await self._as(account)

        async def one(key: model.Key) -> str | None:
            return await _delete(api, account, key)

        told = await _each(one, keys)
        return {key: why for key, why in zip(keys, told, strict=True) if why}

    async def _as(self, account: ports.Account) -> client.Client:
        """A client with a token of the account, which is renewed before it ends."""
        whose = (account.namespace, account.name)
        async with self._lock:
            kept, until = self._known.get(whose, (None, 0.0))
            if kept is not None and time.monotonic() < until:
                return kept
            token = await self._token(account)
            if kept is not None:
                await kept.close()
            access = kubeconfig.Access(self._access.server, self._access.tls, token)
            made = client.Client(access)
            self._known[whose] = made, time.monotonic() + TOKEN_SECONDS * _KEPT
            return made

    async def _token(self, account: ports.Account) -> str:
        where = f"/api/v1/namespaces/{account.namespace}/serviceaccounts/{account.name}/token"
        body = {"spec": {"expirationSeconds": TOKEN_SECONDS}}
        answer = await self._own.send("POST", where, data=json.dumps(body).encode(), headers=_JSON)
        if answer.done:
            return str(json.loads(answer.body)["status"]["token"])
        if answer.code == _BUSY or answer.code >= _FAILING:
            raise client.UnreachableError(
                f"API server: no token: {answer.message}", code=answer.code
            )
        raise errors.Stalled(
            f'service account "{account.namespace}/{account.name}": the worker gets no token of it: {answer.message}'
            " (it needs a Role that lets it create serviceaccounts/token of that name)",
            reason="SourceRefused",
        )


def mark(source: str) -> str:
    """The label of what a source applied: its name, or, where that is too long for a label, as much as fits and a digest."""
    text = source.replace("/", ".")
    if len(text) <= _LABEL_LIMIT:
        return text
    return f"{text[:50].rstrip('.-')}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def document(account: ports.Account, manifest: ports.Manifest) -> bytes:
    """The object as it is sent: its spec is JSON already. What a file no longer attaches goes, since it is not sent."""
    key = manifest.key
    metadata: dict[str, Any] = {"name": key.name, **attached.fields(manifest.metadata)}
    metadata["labels"] = {**metadata.get("labels", {}), LABEL: mark(account.source)}
    metadata |= {"namespace": key.namespace} if key.namespace else {}
    head = {"apiVersion": registry.API_VERSION, "kind": key.kind, "metadata": metadata}
    return f'{json.dumps(head)[:-1]}, "spec": {manifest.spec}}}'.encode()


async def _each(work: Callable[[_Given], Awaitable[_Told]], given: Sequence[_Given]) -> list[_Told]:
    """All of them, some at once; the first that cannot be asked ends it."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(item: _Given) -> _Told:
        async with gate:
            return await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in given]
    except* errors.WorkbenchError as several:
        raise several.exceptions[0] from None
    return [task.result() for task in tasks]


async def _apply(
    api: client.Client, account: ports.Account, manifest: ports.Manifest
) -> str | None:
    """What the server refuses; a field of another manager is taken only where the object is ours."""
    # Apply refuses unknown fields by itself; checking them once more costs the server a twelfth.
    params = {"fieldManager": f"wbx-source.{mark(account.source)}", "fieldValidation": "Ignore"}
    params |= {"force": "true"} if manifest.ours else {}
    where = client.path(*manifest.key)
    body = document(account, manifest)
    answer = await api.send("PATCH", where, data=body, headers=_APPLY, params=params)
    if answer.code == _CONFLICT:
        return f"{answer.message} (delete it there, or take its fields out of the file)"
    if answer.code == _FAILING and _UNTYPED in answer.body:
        return f"{answer.message} (the cluster has other definitions of our kinds than this worker: apply those of its release)"
    return _refusal(answer)


async def _got(api: client.Client, key: model.Key) -> dict[str, Any] | None:
    answer = await api.send("GET", client.path(*key))
    if _refusal(answer):
        return None
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def _listed(
    api: client.Client, account: ports.Account, keys: Sequence[model.Key]
) -> dict[model.Key, Mapping[str, Any]]:
    """All that bears the source's mark, of the kinds that are asked for."""
    wanted = set(keys)
    found: dict[model.Key, Mapping[str, Any]] = {}
    for kind in sorted({key.kind for key in keys}):
        spaces = {key.namespace for key in keys if key.kind == kind}
        space = spaces.pop() if len(spaces) == 1 else ""
        async for item in _marked(api, account, kind, space):
            metadata = item["metadata"]
            key = model.Key(kind, metadata.get("namespace", ""), metadata["name"])
            if key in wanted:
                metadata.pop("managedFields", None)
                found[key] = item
    return found


async def _marked(
    api: client.Client, account: ports.Account, kind: str, space: str
) -> AsyncIterator[dict[str, Any]]:
    params = {"limit": str(client.PAGE), "labelSelector": f"{LABEL}={mark(account.source)}"}
    while True:
        page = await api.get(client.path(kind, space), params)
        for item in page["items"]:
            yield item
        if not page["metadata"].get("continue"):
            return
        params["continue"] = page["metadata"]["continue"]


async def _delete(api: client.Client, account: ports.Account, key: model.Key) -> str | None:
    """Only what still bears our mark, and only as it was when we saw that."""
    there = await api.send("GET", client.path(*key))
    if there.code == _GONE or (why := _refusal(there)):
        return None if there.code == _GONE else why
    metadata = json.loads(there.body)["metadata"]
    if "deletionTimestamp" in metadata or metadata.get("labels", {}).get(LABEL) != mark(
        account.source
    ):
        return None
    seen = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    body = json.dumps({"preconditions": seen}).encode()
    answer = await api.send("DELETE", client.path(*key), data=body, headers=_JSON)
    return None if answer.code == _GONE else _refusal(answer)


def _refusal(answer: client.Answer) -> str | None:
    """None: it did what was asked.

    Raises:
        UnreachableError: it may do so later.
    """
    if answer.done:
        return None
    if answer.code == _BUSY or answer.code >= _FAILING:
        pause = answer.retry_after or 1.0
        raise client.UnreachableError(
            f"API server: {answer.message}", code=answer.code, retry_after=pause
        )
    return answer.message
