"""Where bytes lie under the name of their sha256."""

import dataclasses
import datetime
import pathlib
from collections.abc import AsyncIterator, Mapping
from typing import Protocol


@dataclasses.dataclass(frozen=True, slots=True)
class Blob:
    """Bytes in storage under the key `sha256/<hex>`. `storage` is the provider object that has them; "": there is one alone."""

    sha256: str
    bytes: int
    bucket: str
    key: str
    storage: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """A URL that serves an object's bytes until `expires_at`, to whoever holds it. Relative: to the console."""

    url: str
    sha256: str
    expires_at: datetime.datetime


@dataclasses.dataclass(frozen=True, slots=True)
class Upload:
    """A PUT of `url` with exactly these headers stores an object, for whoever holds it, until `expires_at`."""

    url: str
    headers: Mapping[str, str]
    sha256: str
    expires_at: datetime.datetime


LINK_LIMIT = datetime.timedelta(days=7)


PIN_LIMIT = 4096


class StorageProvider(Protocol):
    """Content-addressed, write-once storage; and pins: small texts under a name, written once for ever.

    Laws: a key is written whole or not at all (kill -9 in the middle leaves nothing under the key); putting the same
    bytes twice is one object; `open` checks the sha256 of what it streamed and raises Stalled(reason="DigestMismatch")
    at the end of the stream if it differs; memory stays constant whatever the size. A pin is never replaced and never
    removed, whoever asks: what the database says of the past is checked against pins (decision 060).
    """

    adapter: str

    async def put(self, chunks: AsyncIterator[bytes], *, expect_sha256: str | None = None) -> Blob:
        """Store a stream; Stalled(DigestMismatch) and nothing stored if `expect_sha256` differs."""

    async def put_file(self, path: pathlib.Path) -> Blob:
        """Store a file's bytes."""

    def open(self, sha256: str) -> AsyncIterator[bytes]:
        """Stream the bytes; Stalled(reason="ArtifactMissing") if there are none."""

    async def exists(self, sha256: str) -> bool:
        """Whether the key is there (its bytes are not read)."""

    async def delete(self, sha256: str) -> None:
        """Remove the bytes; of a missing key: success."""

    async def discard(self, sha256: str) -> None:
        """Remove what a signed upload brought under this name and is not what it says, so that others may bring it.

        Only there where signed uploads go, and not where somebody's pointer names it: that was read through and good.
        """

    def list(self) -> AsyncIterator[Blob]:
        """Every object, in key order."""

    async def signed_url(
        self,
        sha256: str,
        *,
        expires: datetime.timedelta,
        media_type: str = "application/octet-stream",
        filename: str | None = None,
    ) -> Link:
        """A link to the bytes, good for `expires` (at most LINK_LIMIT), as a file of that name and media type.

        Stalled(ArtifactMissing) if there are none. Hand it out only to who may read the pointer: the link asks nobody.
        """

    async def signed_put(self, sha256: str, *, size: int, expires: datetime.timedelta) -> Upload:
        """An upload of these bytes by somebody who has no credentials, good for about `expires` (at most LINK_LIMIT).

        `expires_at` says until when it really is good: some vendors set that themselves. Not every vendor checks the
        bytes: whoever handed it out reads the object through (`open` checks it) before anybody relies on it, and discards
        what is not what was promised. Stalled(InvalidSpec) where nobody but this machine can write.
        """

    async def pin(self, name: str, data: bytes) -> bytes:
        """Write at most PIN_LIMIT bytes under `name`, unless something stands there; what stands there now.

        Of several writers at once the first one's stands, and each of them gets it. Names are parts of lower-case
        letters, digits and dashes, with slashes between them.
        """

    def pins(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        """Every pin whose name begins so, in name order, as the storage lists them."""


class Storages(Protocol):
    """The storages of an installation."""

    async def of(self, project: str | None) -> StorageProvider:
        """The one that new bytes of a project go to (None: the default one). It reads and deletes wherever bytes lie."""
