"""Who makes a request, and what they may ask of the database through it."""

import contextlib
import dataclasses
import datetime
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import fastapi
from fastapi import security

from workbenchx import errors, ports
from workbenchx.console import limits, parts, problems, tracing
from workbenchx.console.auth import forgery, tokens
from workbenchx.planner import model
from workbenchx.store import callers, connections, reads, world

COOKIE = "wbx_session"
_OUT_OF_REACH = frozenset({"SecretMissing", "ProviderMissing", "InvalidSpec", "BadSettings"})
_bearer = security.HTTPBearer(
    auto_error=False, bearerFormat="JWT", description="A token of the auth server, or of wbx login."
)
_cookie = security.APIKeyCookie(
    name=COOKIE,
    auto_error=False,
    description=f"The session of a browser; orders also need the header {forgery.HEADER}.",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Asking:
    """One request of a signed-in caller."""

    claims: tokens.Claims
    by_cookie: bool
    _parts: parts.Parts

    @property
    def platform(self) -> bool:
        """Whether the token says platform team; what that is worth the database decides."""
        return role(self.claims) == "platform"

    @property
    def session(self) -> str:
        """What a forged-request token is bound to."""
        return str(self.claims.get("jti") or self.claims.get("session_id") or self.claims["sub"])

    def seconds_left(self) -> float:
        """Until the token ends."""
        return float(self.claims["exp"]) + self._parts.verifier.trust.leeway - time.time()

    @property
    def one_by_one(self) -> reads.Reads:
        """Questions as the caller, each in a transaction of its own: for what waits, or asks others in between."""
        return reads.Reads(self._parts.callers.reading(self.claims))

    async def storage(self) -> ports.StorageProvider | None:
        """Where artifacts lie; None: not within reach of this process."""
        if self._parts.shelf is None:
            return self._parts.storage
        try:
            return await self._parts.shelf.storage(self._parts.callers.reading(self.claims))
        except errors.Stalled as problem:
            if problem.reason not in _OUT_OF_REACH:
                raise
            return None

    async def world(self, now: datetime.datetime, policy: model.Policy) -> model.World:
        """The planner's inputs as the caller may see them."""
        return await world.read(self._parts.callers.looking(self.claims), now=now, policy=policy)

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[reads.Reads]:
        """Questions in one read-only transaction as the caller."""
        async with self.transaction() as conn:
            yield reads.Reads(callers.Within(conn))

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[connections.Connection]:
        """A read-only transaction as the caller."""
        caller = self._parts.callers.reading(self.claims)
        async with caller.transaction(pipelined=True) as conn:
            yield conn

    @contextlib.asynccontextmanager
    async def one_moment(self) -> AsyncIterator[reads.Reads]:
        """Questions in one read-only transaction as the caller, all of which see the same."""
        caller = self._parts.callers.looking(self.claims)
        async with caller.transaction(pipelined=True) as conn:
            yield reads.Reads(callers.Within(conn))

    @contextlib.asynccontextmanager
    async def ordering(self) -> AsyncIterator[connections.Connection]:
        """A transaction as the caller, for functions that write."""
        caller = self._parts.callers.ordering(self.claims, trace=tracing.current())
        async with caller.transaction(pipelined=True) as conn:
            yield conn


def role(claims: tokens.Claims) -> str | None:
    """The claim app_metadata.wbx_role: what an administrator of the auth server wrote, never the user."""
    metadata = claims.get("app_metadata")
    found: Any = metadata.get("wbx_role") if isinstance(metadata, dict) else None
    return found if isinstance(found, str) else None


async def who(
    request: fastapi.Request,
    bearer: Annotated[security.HTTPAuthorizationCredentials | None, fastapi.Depends(_bearer)],
    cookie: Annotated[str | None, fastapi.Depends(_cookie)],
) -> Asking:
    """The caller: by the header if there is one, else, embedded, by the cookie.

    Orders by cookie prove that they are not forged.

    Raises:
        problems.Problem: 401, 403, 422 or 429.
    """
    chosen = parts.of(request)
    by_cookie = "authorization" not in request.headers
    token = bearer.credentials if bearer else None
    if by_cookie and chosen.signing is not None:
        token = cookie
    try:
        if not token:
            raise tokens.refused("request: nobody is signed in; wbx login signs in")
        claims = await chosen.verifier.verify(token)
    except problems.Problem:
        strangers(request).take(address(request))
        raise
    request.app.state.callers.take(str(claims["sub"]))
    _refuse_repeated(request)
    found = Asking(claims, by_cookie, chosen)
    if by_cookie and chosen.signing is not None and request.method not in forgery.SAFE:
        own = f"{request.url.scheme}://{request.headers.get('host', '')}"
        forgery.check(request.headers, chosen.signing.secret, found.session, own)
    return found


def _refuse_repeated(request: fastapi.Request) -> None:
    """No parameter here is a list: of several values one would be taken, and which is nobody's intention."""
    names = [name for name, _ in request.query_params.multi_items()]
    if len(names) > len(set(names)):
        raise problems.Problem(422, "query: a parameter is given more than once")


def presented(request: fastapi.Request) -> str | None:
    """The token that a request brings, where `who` looks for it."""
    said = request.headers.get("authorization")
    if said is not None:
        scheme, _, token = said.partition(" ")
        return token if scheme.lower() == "bearer" else None
    return request.cookies.get(COOKIE) if parts.of(request).signing is not None else None


def address(request: fastapi.Request) -> str:
    """Where the request came from."""
    return request.client.host if request.client else "unknown"


def strangers(request: fastapi.Request) -> limits.Buckets:
    """The buckets of those who did not sign in, by address."""
    found: limits.Buckets = request.app.state.strangers
    return found


Asks = Annotated[Asking, fastapi.Depends(who)]
