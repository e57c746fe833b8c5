"""Secrets of Kubernetes, read by the worker under its own service account, when a run starts.

A value goes from the API server's answer into the memory of the program that is started, and nowhere else.
"""

import base64
import binascii
from collections.abc import Callable

from workbenchx import errors
from workbenchx.providers.sandbox.kubernetes import access, client
from workbenchx.providers.secrets import permissions

AGAIN_SECONDS = 15.0


class Secrets:
    """See ports.Secrets. `find`: the way to the API server, looked for at the first use; `again`: when to look again."""

    def __init__(
        self, find: Callable[[], access.Access] = access.find, *, again: float = AGAIN_SECONDS
    ) -> None:
        self._find = find
        self._again = again
        self._client: client.Client | None = None

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    async def read(self, namespace: str, name: str, key: str) -> str:
        """See ports.Secrets."""
        what = f'secret: Secret "{name}" of namespace "{namespace}"'
        try:
            found = await self._ready().get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
        except client.MissingError:
            raise self._missing(f"{what} is not there; make it, and the run starts") from None
        except errors.Stalled as problem:
            raise self._missing(
                f"{what} may not be read; bind the ClusterRole {permissions.ROLE} to the worker's service account"
                " in that namespace, and the run starts"
            ) from problem
        return self._text((found.get("data") or {}).get(key), f'{what}, key "{key}",')

    def _ready(self) -> client.Client:
        if self._client is None:
            self._client = client.Client(self._find())
        return self._client

    def _text(self, data: str | None, what: str) -> str:
        if data is None:
            raise self._missing(f"{what} is not there; add it, and the run starts")
        try:
            value = base64.b64decode(data, validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            value = "\0"
        if "\0" in value:
            raise self._missing(
                f"{what} is no text, which a variable must be; replace it, and the run starts"
            )
        return value

    def _missing(self, message: str) -> errors.Waiting:
        return errors.Waiting(message, reason="SecretMissing", retry_after=self._again)
