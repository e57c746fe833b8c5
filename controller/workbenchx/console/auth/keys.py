"""Public keys of the auth server (JWKS): cached, refreshed, and good for a bounded time while that server is away."""

import asyncio
import contextlib
import dataclasses
import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from workbenchx import errors

_LOG = logging.getLogger(__name__)
_KID = re.compile(r"[A-Za-z0-9._~=+/-]{1,128}")
_MOST_BYTES = 256 * 1024
_MOST_KEYS = 64
_LEAST_RSA_BITS = 2048
_SHAPES = {"ES256": ("EC", "P-256"), "RS256": ("RSA", None), "EdDSA": ("OKP", "Ed25519")}

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """One public key and the one algorithm that it verifies."""

    kid: str
    algorithm: str
    public: PublicKey


class Keys(Protocol):
    """Where keys come from."""

    async def find(self, kid: str) -> Key | None:
        """The key of that id; None: there is none.

        Raises:
            errors.Waiting: reason AuthUnavailable: nobody can say now.
        """


@dataclasses.dataclass(frozen=True, slots=True)
class Fixed:
    """Keys that never change: the installation's own."""

    key: Key

    async def find(self, kid: str) -> Key | None:
        """The one, by its id."""
        return self.key if kid == self.key.kid else None


@dataclasses.dataclass(frozen=True, slots=True)
class Patience:
    """How long keys are believed, in seconds.

    Keys are fetched again after `fresh`, no sooner than `cool_down` after the last try, and no longer believed
    `stale` after the last fetch that worked.
    """

    fresh: float = 600.0
    cool_down: float = 30.0
    stale: float = 6 * 3600.0
    fetch: float = 5.0


class Remote:
    """The keys at `url`. A key that the auth server withdrew is gone here with the next fetch.

    An unknown id leads to one fetch, and to no other for a while: forged ids cannot make us flood the server.
    """

    def __init__(
        self,
        url: str,
        *,
        patience: Patience | None = None,
        now: Callable[[], float] = time.monotonic,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = url
        self._patience = patience or Patience()
        self._now = now
        self._client = httpx.AsyncClient(
            timeout=self._patience.fetch, follow_redirects=False, transport=transport
        )
        self._keys: dict[str, Key] = {}
        self._fetched: float | None = None
        self._tried: float | None = None
        self._fetching = asyncio.Lock()
        self._refresh: asyncio.Task[None] | None = None
        self.fetches = 0
        self.failures = 0

    async def close(self) -> None:
        """End what is under way."""
        if self._refresh is not None:
            self._refresh.cancel()
            await asyncio.gather(self._refresh, return_exceptions=True)
        await self._client.aclose()

    async def find(self, kid: str) -> Key | None:
        """See Keys."""
        if self._age() <= self._patience.stale:
            if kid in self._keys:
                self._refresh_beside()
                return self._keys[kid]
            await self._fetch_once()
        else:
            await self._fetch_once()
            if self._age() > self._patience.stale:
                raise errors.Waiting(
                    "auth: the server of its keys does not answer",
                    reason="AuthUnavailable",
                    retry_after=5.0,
                )
        return self._keys.get(kid)

    def _age(self) -> float:
        return float("inf") if self._fetched is None else self._now() - self._fetched

    def _refresh_beside(self) -> None:
        """Old keys serve on while new ones are fetched: nobody waits for the auth server."""
        if self._age() <= self._patience.fresh or not self._may_try():
            return
        if self._refresh is None or self._refresh.done():
            self._refresh = asyncio.create_task(self._fetch_once())

    def _may_try(self) -> bool:
        return self._tried is None or self._now() - self._tried >= self._patience.cool_down

    async def _fetch_once(self) -> None:
        """Fetch, unless somebody just did; a failure leaves the keys as they are."""
        async with self._fetching:
            if not self._may_try():
                return
            self._tried = self._now()
            self.fetches += 1
            try:
                self._keys = parse(await self._document())
            except (httpx.HTTPError, ValueError) as error:
                self.failures += 1
                _LOG.warning("auth: keys could not be fetched: %s", type(error).__name__)
                return
            self._fetched = self._now()

    async def _document(self) -> Any:
        async with self._client.stream(
            "GET", self._url, headers={"Accept": "application/json"}
        ) as answer:
            if answer.status_code != httpx.codes.OK:
                raise httpx.HTTPError(f"status {answer.status_code}")
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > _MOST_BYTES:
                    raise ValueError("too large")
        return json.loads(body)


def parse(document: Any) -> dict[str, Key]:
    """The keys of a JWKS document that we can use; others are passed over, as its writers may add kinds.

    Raises:
        ValueError: it is no such document.
    """
    listed = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(listed, list):
        raise ValueError("no list of keys")  # noqa: TRY004 - what is wrong is the document
    found = [_key(each) for each in listed[:_MOST_KEYS] if isinstance(each, Mapping)]
    return {key.kid: key for key in found if key is not None}


def _key(given: Mapping[str, Any]) -> Key | None:
    """None: symmetric, for another use, too weak, or of a kind that we do not know."""
    kid = given.get("kid")
    if not isinstance(kid, str) or not _KID.fullmatch(kid):
        return None
    if given.get("use", "sig") != "sig" or "verify" not in given.get("key_ops", ["verify"]):
        return None
    for algorithm, (kind, curve) in _SHAPES.items():
        said = given.get("alg", algorithm) == algorithm
        if said and given.get("kty") == kind and given.get("crv") == curve:
            return _load(kid, algorithm, given)
    return None


def _load(kid: str, algorithm: str, given: Mapping[str, Any]) -> Key | None:
    public = {name: value for name, value in given.items() if name not in _PRIVATE}
    with contextlib.suppress(jwt.PyJWTError, ValueError, TypeError):
        key = jwt.PyJWK(public, algorithm).key
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < _LEAST_RSA_BITS:
            return None
        if isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey):
            return Key(kid, algorithm, key)
    return None


_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


def well_formed(kid: str) -> bool:
    """Whether this may be a key's id: it is compared, never opened, fetched or logged."""
    return _KID.fullmatch(kid) is not None
