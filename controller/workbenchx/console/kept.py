"""Answers that are kept while they are true, and for whom: until anything at all is committed in the database.

Two equal snapshots show the same rows of every table, members among them. An answer belongs to a standing: the platform
team, or a set of projects; that is all that the policies of its tables look at. What a standing is, and what it sees, is
read in one snapshot, so an answer is never given to another standing, nor after a membership ended.
"""

import asyncio
import collections
import dataclasses
import gzip
import hashlib
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from workbenchx.console import wire
from workbenchx.console.auth import tokens

_MOST_BYTES = 64 * 1024 * 1024
_MOST_CALLERS = 10_000
_QUICKEST = 1
# What differs from token to token of one caller, and decides nothing.
_PASSING = frozenset({"exp", "iat", "nbf", "jti"})
_T = TypeVar("_T")


@dataclasses.dataclass(slots=True)
class Answer:
    """A document on the wire, and the version and the standing that it is true for."""

    version: str
    standing: str
    body: bytes
    etag: str
    packed: bytes | None = None

    async def pack(self) -> bytes:
        """The body as gzip; made once."""
        if self.packed is None:
            self.packed = await asyncio.to_thread(
                gzip.compress, self.body, compresslevel=_QUICKEST, mtime=0
            )
        return self.packed


def answer(version: str, standing: str, body: bytes) -> Answer:
    """An answer that was just made."""
    return Answer(version, standing, body, wire.etag(body))


class Answers:
    """The answers of one process, up to a number of bytes; the one that was asked for longest ago goes first."""

    def __init__(self, most: int = _MOST_BYTES) -> None:
        self._most = most
        self._held: collections.OrderedDict[bytes, Answer] = collections.OrderedDict()
        self._callers: collections.OrderedDict[bytes, tuple[str, str]] = collections.OrderedDict()
        self._bytes = 0
        self.flights: Flights[Answer] = Flights()

    def standing(self, caller: bytes, version: str) -> str | None:
        """What the caller may see, if that is known of this version."""
        known, standing = self._callers.get(caller, ("", ""))
        return standing if known == version else None

    def stands(self, caller: bytes, version: str, standing: str) -> None:
        """Keep what the caller may see."""
        self._callers[caller] = (version, standing)
        self._callers.move_to_end(caller)
        if len(self._callers) > _MOST_CALLERS:
            self._callers.popitem(last=False)

    def get(self, standing: str, asked: bytes, version: str) -> Answer | None:
        """The answer, if it is still true."""
        place = key(standing, asked)
        found = self._held.get(place)
        if found is None or found.version != version:
            return None
        self._held.move_to_end(place)
        return found

    def put(self, asked: bytes, made: Answer) -> None:
        """Keep an answer in place of what was kept."""
        place = key(made.standing, asked)
        if old := self._held.pop(place, None):
            self._bytes -= len(old.body)
        if len(made.body) <= self._most:
            self._held[place] = made
            self._bytes += len(made.body)
        while self._bytes > self._most:
            _, gone = self._held.popitem(last=False)
            self._bytes -= len(gone.body)


class Flights(Generic[_T]):
    """Work that several need at once is done by the first; the others wait for it."""

    def __init__(self) -> None:
        self._open: dict[object, asyncio.Future[_T | None]] = {}

    async def join(
        self, place: object, make: Callable[[], Awaitable[_T]]
    ) -> tuple[_T | None, bool]:
        """What was made, and whether by ourselves. None: who made it failed or went away, and told nobody."""
        if under_way := self._open.get(place):
            return await asyncio.shield(under_way), False
        mine = self._open[place] = asyncio.get_running_loop().create_future()
        try:
            found = await make()
            mine.set_result(found)
            return found, True
        finally:
            del self._open[place]
            if not mine.done():
                mine.set_result(None)


def caller(claims: tokens.Claims) -> bytes:
    """Who asks: all of the claims that a policy could look at."""
    said = {name: value for name, value in claims.items() if name not in _PASSING}
    return hashlib.blake2b(wire.encode(sorted(said.items())), digest_size=24).digest()


def key(standing: str, asked: bytes) -> bytes:
    """The place of an answer."""
    return hashlib.blake2b(asked, digest_size=24, key=_short(standing)).digest()


def _short(standing: str) -> bytes:
    return hashlib.blake2b(standing.encode(), digest_size=32).digest()
