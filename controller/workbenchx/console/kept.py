"""Answers that are kept while they are true: for one caller, until anything at all is committed in the database.

Each request asks the database for its snapshot first. Two equal snapshots show the same rows of every table, members
among them: so a kept answer never outlives a change or a lost membership, and no other caller has its key.
"""

import collections
import dataclasses
import hashlib

from workbenchx.console import wire
from workbenchx.console.auth import tokens

_MOST_BYTES = 64 * 1024 * 1024
# What differs from token to token of one caller, and decides nothing.
_PASSING = frozenset({"exp", "iat", "nbf", "jti"})


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """A document on the wire, and the version of the database that it is true for."""

    version: str
    body: bytes
    etag: str


class Answers:
    """The answers of one process, up to a number of bytes; the one that was asked for longest ago goes first."""

    def __init__(self, most: int = _MOST_BYTES) -> None:
        self._most = most
        self._held: collections.OrderedDict[bytes, Answer] = collections.OrderedDict()
        self._bytes = 0

    def get(self, key: bytes, version: str) -> Answer | None:
        """The answer, if it is still true."""
        found = self._held.get(key)
        if found is None or found.version != version:
            return None
        self._held.move_to_end(key)
        return found

    def put(self, key: bytes, version: str, body: bytes) -> Answer:
        """Keep an answer in place of what was kept."""
        made = Answer(version, body, wire.etag(body))
        if old := self._held.pop(key, None):
            self._bytes -= len(old.body)
        if len(body) <= self._most:
            self._held[key] = made
            self._bytes += len(body)
        while self._bytes > self._most:
            _, gone = self._held.popitem(last=False)
            self._bytes -= len(gone.body)
        return made


def key(claims: tokens.Claims, path: str, query: str) -> bytes:
    """Who asks what. All that a policy could look at is part of it."""
    said = {name: value for name, value in claims.items() if name not in _PASSING}
    asked = wire.encode([sorted(said.items()), path, query])
    return hashlib.blake2b(asked, digest_size=24).digest()
