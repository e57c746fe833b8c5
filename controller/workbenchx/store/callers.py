"""Transactions of the API's callers: the login `wbx_api`, which may do nothing until role and claims are set.

One statement at the start of each transaction says who asks, as Supabase's own services do. It is local to the
transaction, so a pooled connection carries nothing over to the next caller; row-level security does the rest.
"""

import contextlib
import dataclasses
import enum
from collections.abc import AsyncIterator, Mapping
from typing import Any

from workbenchx import errors
from workbenchx.store import connections, encode, queries

_SQL = queries.load("callers")
NOBODY: Mapping[str, Any] = {}


class Role(enum.StrEnum):
    """What a caller becomes; `wbx_api` is a member of no other role."""

    ANON = "anon"
    AUTHENTICATED = "authenticated"


@dataclasses.dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. Whoever makes one has verified the claims.

    `read_only`: the transaction refuses every write; `one_moment`: all its statements see the same; `trace`: the
    traceparent under which something is ordered.
    """

    pool: connections.Connections
    role: Role
    claims: Mapping[str, Any]
    read_only: bool = True
    one_moment: bool = False
    trace: str | None = None

    @contextlib.asynccontextmanager
    async def transaction(
        self, *, pipelined: bool = False
    ) -> AsyncIterator[connections.Connection]:
        """As `Connections.transaction`, as this caller. The login's statement time-out holds.

        Pipelined, begin, role and claims travel with the first statement: a read costs two round trips.
        """
        params = {
            "role": self.role.value,
            "claims": encode.document(dict(self.claims) | {"role": self.role.value}),
            "read_only": "on" if self.read_only else "off",
            "trace": self.trace or "",
        }
        async with self.pool.transaction(pipelined=pipelined) as conn:
            if self.one_moment:
                await conn.execute(_SQL["one_moment"])
            await conn.execute(_SQL["become"], params)
            yield conn


@dataclasses.dataclass(frozen=True, slots=True)
class Within:
    """One open transaction as a source, for several questions of one request."""

    conn: connections.Connection

    @contextlib.asynccontextmanager
    async def transaction(
        self,
        *,
        pipelined: bool = False,  # noqa: ARG002 - the source's signature
    ) -> AsyncIterator[connections.Connection]:
        """The open one."""
        yield self.conn


class Callers:
    """Connections of the login `wbx_api`; `close` when done."""

    def __init__(self, url: str, *, most: int = 8) -> None:
        self._pool = connections.Connections(url, most=most)

    async def close(self) -> None:
        """Give all connections back."""
        await self._pool.close()

    async def moment(self) -> str:
        """The snapshot: while it is the same, nothing at all was committed, whoever asks."""
        async with self._pool.transaction(pipelined=True) as conn:
            ((version,),) = await connections.fetch(conn, _SQL["moment"])
        return str(version)

    async def check_login(self) -> None:
        """Refuse a login that is more than a door for callers.

        Raises:
            errors.Stalled: reason LoginTooStrong: it reads past row-level security or becomes the engine.
        """
        async with self._pool.transaction() as conn:
            ((name, strong),) = await connections.fetch(conn, _SQL["login"])
        if strong:
            raise errors.Stalled(
                f'database: the login "{name}" may do more than callers may; connect as wbx_api',
                reason="LoginTooStrong",
            )

    def reading(self, claims: Mapping[str, Any]) -> Caller:
        """A signed-in caller who reads."""
        return Caller(self._pool, Role.AUTHENTICATED, claims)

    def looking(self, claims: Mapping[str, Any]) -> Caller:
        """A signed-in caller who reads much, as of one moment."""
        return Caller(self._pool, Role.AUTHENTICATED, claims, one_moment=True)

    def ordering(self, claims: Mapping[str, Any], *, trace: str | None = None) -> Caller:
        """A signed-in caller who calls a function that writes."""
        return Caller(self._pool, Role.AUTHENTICATED, claims, read_only=False, trace=trace)

    def nobody(self) -> Caller:
        """A caller who did not sign in: sees nothing."""
        return Caller(self._pool, Role.ANON, NOBODY)
