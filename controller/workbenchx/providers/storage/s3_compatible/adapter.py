"""Storage in a bucket: `<prefix>sha256/<64 hex>`, and `<prefix>pins/<name with dots for slashes>`.

Nothing is believed of the server but that it keeps what it acknowledged: digests are computed here on the way in and on
the way out, and whether it keeps to conditional writes is tried before a pin is written.
"""

import asyncio
import contextlib
import datetime
import pathlib
import urllib.parse
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

from workbenchx import errors, ports
from workbenchx.providers.storage import links, naming, passing, spool
from workbenchx.providers.storage.s3_compatible import calls, connecting, faults, uploads

_AHEAD = 16


class S3Storage:
    """A `ports.StorageProvider` on an S3 server. Several processes may share one bucket."""

    adapter = "s3_compatible"

    def __init__(self, settings: connecting.Settings, clients: connecting.Clients) -> None:
        self._bucket = calls.Bucket(settings, clients)
        self._uploads = uploads.Uploads(self._bucket)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._bucket.close()

    async def put(
        self, chunks: AsyncIterator[bytes], *, expect_sha256: str | None = None
    ) -> ports.Blob:
        """See ports.StorageProvider.put. Without a promise the bytes wait on this machine until their digest is known."""
        if expect_sha256 is not None:
            return await self._put(chunks, naming.checked(expect_sha256))
        held = spool.Spool()
        try:
            await held.take(chunks)
            return await self._put_known(held.read(), held.sha256, held.size)
        finally:
            held.close()

    async def put_file(self, path: pathlib.Path) -> ports.Blob:
        """See ports.StorageProvider.put_file. Stalled(ArtifactMissing) if `path` is not a readable file."""
        sha256, size = await spool.digest_of(path)
        return await self._put_known(spool.pieces(path), sha256, size)

    async def open(self, sha256: str) -> AsyncIterator[bytes]:
        """See ports.StorageProvider.open. Waiting(StorageUnavailable) if the stream is cut off."""
        chunks = self._read(naming.checked(sha256))
        async for chunk in passing.verified(chunks, sha256, self._at(sha256)):
            yield chunk

    async def exists(self, sha256: str) -> bool:
        """See ports.StorageProvider.exists."""
        return await self._bucket.size(_object(sha256)) is not None

    async def delete(self, sha256: str) -> None:
        """See ports.StorageProvider.delete."""
        with contextlib.suppress(calls.Expected):
            what = {"Key": self._bucket.key(_object(sha256))}
            await self._bucket.ask("delete_object", what, expected=faults.GONE)

    async def discard(self, sha256: str) -> None:
        """See ports.StorageProvider.discard: pointers are known to whoever stands in front of this."""
        await self.delete(sha256)

    async def list(self) -> AsyncIterator[ports.Blob]:
        """See ports.StorageProvider.list. A page of 1,000 at a time."""
        async for page in self._bucket.pages(naming.OBJECTS):
            for each in page:
                sha256 = each["Key"].removeprefix(naming.OBJECTS)
                if naming.is_digest(sha256):
                    yield naming.blob(self._bucket.name, sha256, each["Size"])

    async def signed_url(
        self,
        sha256: str,
        *,
        expires: datetime.timedelta,
        media_type: str = "application/octet-stream",
        filename: str | None = None,
    ) -> ports.Link:
        """See ports.StorageProvider.signed_url. The server itself serves it, at `settings.publicEndpoint` if that is set."""
        granted = links.grant(sha256, expires=expires, media_type=media_type, filename=filename)
        if not await self.exists(sha256):
            raise naming.missing(sha256, self._bucket.where)
        headers = granted.headers
        url = await self._bucket.sign(
            "get_object",
            int(expires.total_seconds()),
            Key=self._bucket.key(_object(sha256)),
            ResponseContentType=headers["Content-Type"],
            ResponseContentDisposition=headers["Content-Disposition"],
            ResponseCacheControl=headers["Cache-Control"],
        )
        return ports.Link(url, sha256, granted.expires_at)

    async def signed_put(
        self, sha256: str, *, size: int, expires: datetime.timedelta
    ) -> ports.Upload:
        """See ports.StorageProvider.signed_put. The signature covers size and digest, and the server checks both."""
        granted = links.grant(naming.checked(sha256), expires=expires, media_type="", filename=None)
        digest = b64encode(bytes.fromhex(sha256)).decode()
        url = await self._bucket.sign(
            "put_object",
            int(expires.total_seconds()),
            Key=self._bucket.key(_object(sha256)),
            ContentLength=size,
            ChecksumSHA256=digest,
        )
        headers = {"Content-Length": str(size), "x-amz-checksum-sha256": digest}
        return ports.Upload(url, headers, sha256, granted.expires_at)

    async def pin(self, name: str, data: bytes) -> bytes:
        """See ports.StorageProvider.pin. Stalled(StorageUnavailable) where the server has no conditional writes."""
        key = naming.PINS + naming.pin_file(name, data)
        if await self._uploads.once(key, data):
            return data
        return await self._pinned(key)

    async def pins(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        """See ports.StorageProvider.pins. Some are read at the same time; a page of names is in memory."""
        async for page in self._bucket.pages(naming.PINS + prefix.replace("/", ".")):
            keys = [each["Key"] for each in page]
            for start in range(0, len(keys), _AHEAD):
                some = keys[start : start + _AHEAD]
                found = await asyncio.gather(*map(self._pinned, some))
                for key, data in zip(some, found, strict=True):
                    yield naming.pin_name(key.removeprefix(naming.PINS)), data

    async def _put(self, chunks: AsyncIterator[bytes], sha256: str) -> ports.Blob:
        """Send a stream under the digest that was promised; what is there already is not sent again."""
        stands = await self._bucket.size(_object(sha256))
        if stands is None:
            size = await self._uploads.send(_object(sha256), chunks, sha256)
            return naming.blob(self._bucket.name, sha256, size)
        passed = passing.Hashed(chunks)
        async for _ in passed:
            pass
        if passed.sha256 != sha256:
            raise naming.mismatch(passed.sha256, sha256)
        if passed.size != stands:
            raise naming.damaged(self._at(sha256), f"{stands} bytes instead of {passed.size}")
        return naming.blob(self._bucket.name, sha256, stands)

    async def _put_known(self, chunks: AsyncIterator[bytes], sha256: str, size: int) -> ports.Blob:
        """As `_put`; but bytes that can be read again are not read where they are there already, whole."""
        stands = await self._bucket.size(_object(sha256))
        if stands is not None and stands != size:
            raise naming.damaged(self._at(sha256), f"{stands} bytes instead of {size}")
        if stands is None:
            await self._uploads.send(_object(sha256), chunks, sha256)
        return naming.blob(self._bucket.name, sha256, size)

    async def _read(self, sha256: str) -> AsyncIterator[bytes]:
        answer = await self._get(_object(sha256))
        if answer is None:
            raise naming.missing(sha256, self._bucket.where)
        body, seen, whole = answer["Body"], 0, answer["ContentLength"]
        try:
            while True:
                async with faults.told(self._bucket.where, calls.SECONDS):
                    chunk = await body.read(spool.PIECE)
                if not chunk:
                    break
                seen += len(chunk)
                yield chunk
        finally:
            body.close()
        if seen != whole:
            raise errors.Waiting(
                f'storage: "{self._bucket.where}" sent {seen} of {whole} bytes',
                reason="StorageUnavailable",
            )

    async def _get(self, key: str) -> dict[str, Any] | None:
        try:
            what = {"Key": self._bucket.key(key)}
            return await self._bucket.ask("get_object", what, expected=faults.GONE)
        except calls.Expected:
            return None

    async def _pinned(self, key: str) -> bytes:
        answer = await self._get(key)
        if answer is None:
            raise errors.Stalled(
                f'storage: pin "{key}" was removed from "{self._bucket.where}" by somebody',
                reason="ArtifactMissing",
            )
        async with faults.told(self._bucket.where, calls.SECONDS), answer["Body"] as body:
            return bytes(await body.read())

    def _at(self, sha256: str) -> str:
        return f"{self._bucket.where}/{urllib.parse.quote(self._bucket.key(_object(sha256)))}"


def _object(sha256: str) -> str:
    return naming.OBJECTS + naming.checked(sha256)
