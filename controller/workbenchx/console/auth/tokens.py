"""Whether a bearer token is good: its signature, who signed it for whom, its times, and that it is a user's.

Every refusal is the same NotSignedIn to the caller with a word on what to do; which check failed is told only where
that helps the owner of the token (it has expired) and no forger.
"""

import collections
import dataclasses
import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt

from workbenchx.console import problems
from workbenchx.console.auth import keys as public_keys

_MOST_LETTERS = 8192
_MOST_SUBJECT = 200
_MOST_SEEN = 1024
_LEGACY = "HS256"
_LEAST_SECRET = 32
Claims = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Trust:
    """What a good token says. `legacy_secret`: the shared secret of a project that still signs with HS256."""

    issuer: str
    audience: str
    algorithms: frozenset[str] = frozenset({"ES256", "RS256"})
    leeway: float = 10.0
    legacy_secret: bytes | None = dataclasses.field(default=None, repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class _Seen:
    """A signature that was good, by which key: with that very key it need not be looked at again."""

    header: Mapping[str, Any]
    key: Any
    claims: Claims


class Verifier:
    """Turns a token into its claims, or refuses it."""

    def __init__(
        self,
        trust: Trust,
        keys: public_keys.Keys,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.trust = trust
        self.keys = keys
        self._now = now
        self._seen: collections.OrderedDict[bytes, _Seen] = collections.OrderedDict()

    async def verify(self, token: str) -> Claims:
        """The claims of a token that is good now.

        Raises:
            problems.Problem: 401.
            errors.Waiting: reason AuthUnavailable: the keys are not to be had now.
        """
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        seen = self._seen.get(digest)
        header = seen.header if seen else _header(token)
        algorithm, key = await self._key(header)
        if seen is None or seen.key is not key:
            seen = _Seen(header, key, _decoded(token, algorithm, key))
            self._remember(digest, seen)
        self._check(seen.claims)
        return seen.claims

    def _remember(self, digest: bytes, seen: "_Seen") -> None:
        self._seen[digest] = seen
        if len(self._seen) > _MOST_SEEN:
            self._seen.popitem(last=False)

    async def _key(self, header: Mapping[str, Any]) -> tuple[str, Any]:
        """The one algorithm and key that may verify a token with this header. The key decides, never the token."""
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm == _LEGACY and self.trust.legacy_secret is not None:
            return _LEGACY, self.trust.legacy_secret
        if algorithm not in self.trust.algorithms:
            raise refused()
        if not isinstance(kid, str) or not public_keys.well_formed(kid):
            raise refused()
        key = await self.keys.find(kid)
        if key is None or key.algorithm != algorithm:
            raise refused()
        return key.algorithm, key.public

    def _check(self, claims: Claims) -> None:
        now, leeway = self._now(), self.trust.leeway
        ends, begins = _time(claims, "exp"), _time(claims, "nbf")
        issued = _time(claims, "iat")
        if ends is None or claims.get("iss") != self.trust.issuer or not self._is_for_us(claims):
            raise refused()
        if ends + leeway <= now:
            raise refused("token: it has expired; sign in again")
        if any(each is not None and each - leeway > now for each in (begins, issued)):
            raise refused("token: it is not valid yet; check the clock")
        if claims.get("role") != "authenticated" or claims.get("is_anonymous") is True:
            raise refused("token: it is not a signed-in user's")
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= _MOST_SUBJECT:
            raise refused()

    def _is_for_us(self, claims: Claims) -> bool:
        said = claims.get("aud")
        return self.trust.audience in (said if isinstance(said, list) else [said])


# Times, issuer and audience are checked by ourselves, against one clock that tests can set.
_SIGNATURE_ONLY: Any = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


def _decoded(token: str, algorithm: str, key: Any) -> Claims:
    try:
        found: dict[str, Any] = jwt.decode(
            token, key, algorithms=[algorithm], options=_SIGNATURE_ONLY
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise refused() from error
    return found


def _header(token: str) -> Mapping[str, Any]:
    """The token's header, read but not believed."""
    if len(token) > _MOST_LETTERS or token.count(".") != 2:
        raise refused()
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise refused() from error
    # A token that brings its own key, or asks for rules that we do not know, is no token of ours.
    if header.keys() & {"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"}:
        raise refused()
    if str(header.get("typ", "JWT")).upper() not in {"JWT", "AT+JWT"}:
        raise refused()
    return header


def _time(claims: Claims, name: str) -> float | None:
    """A time claim; one that is there and no number is refused."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise refused()
    return float(value)


def legacy(secret: str) -> bytes:
    """A shared secret that is long enough to be one.

    Raises:
        ValueError: it is too short.
    """
    given = secret.strip().encode()
    if len(given) < _LEAST_SECRET:
        raise ValueError(f"shorter than {_LEAST_SECRET} letters")
    return given


def refused(detail: str = "token: it is not valid here; sign in again") -> problems.Problem:
    """401, with the header that a client expects."""
    return problems.Problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="wbx"'})
