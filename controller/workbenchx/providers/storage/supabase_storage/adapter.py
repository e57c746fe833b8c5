"""Storage in a private bucket of a Supabase project: `<prefix>sha256/<64 hex>`, `<prefix>pins/<name with dots for slashes>`.

The server checks no digest and has no conditions but one: a POST without `x-upsert` never replaces. So everything is
written by that, which makes objects and pins write-once, and every digest is computed here.
"""

import asyncio
import datetime
import pathlib
import urllib.parse
from collections.abc import AsyncIterator, Sequence
from typing import Any

import jwt

from workbenchx import errors, ports
from workbenchx.providers.storage import links, naming, passing, spool
from workbenchx.providers.storage.supabase_storage import calls, faults, resumable

Page = Sequence[tuple[str, int]]
_AHEAD, _PAGE = 16, 1000
_NEW = {
    "Content-Type": "application/octet-stream",
    "Cache-Control": "max-age=31536000",
    "x-upsert": "false",
}


class SupabaseStorage:
    """A `ports.StorageProvider` on Supabase Storage. Several processes may share one bucket."""

    adapter = "supabase_storage"

    def __init__(self, bucket: calls.Bucket) -> None:
        self._bucket = bucket

    async def aclose(self) -> None:
        """Close every connection."""
        await self._bucket.close()

    async def put(
        self, chunks: AsyncIterator[bytes], *, expect_sha256: str | None = None
    ) -> ports.Blob:
        """See ports.StorageProvider.put. The bytes wait on this machine: an upload has to say its length first."""
        expected = None if expect_sha256 is None else naming.checked(expect_sha256)
        held = spool.Spool()
        try:
            await held.take(chunks)
            if expected not in {None, held.sha256}:
                raise naming.mismatch(held.sha256, str(expected))
            return await self._put(held.read(), held.sha256, held.size)
        finally:
            held.close()

    async def put_file(self, path: pathlib.Path) -> ports.Blob:
        """See ports.StorageProvider.put_file. Stalled(ArtifactMissing) if `path` is not a readable file."""
        sha256, size = await spool.digest_of(path)
        return await self._put(spool.pieces(path), sha256, size)

    async def open(self, sha256: str) -> AsyncIterator[bytes]:
        """See ports.StorageProvider.open. Waiting(StorageUnavailable) if the stream is cut off."""
        chunks = self._read(naming.checked(sha256))
        async for chunk in passing.verified(chunks, sha256, self._at(sha256)):
            yield chunk

    async def exists(self, sha256: str) -> bool:
        """See ports.StorageProvider.exists."""
        return await self._size(_object(sha256)) is not None

    async def delete(self, sha256: str) -> None:
        """See ports.StorageProvider.delete."""
        said = {"prefixes": [self._bucket.key(_object(sha256))]}
        await self._bucket.ask("DELETE", f"/object/{self._bucket.name}", said=said)

    async def discard(self, sha256: str) -> None:
        """See ports.StorageProvider.discard: pointers are known to whoever stands in front of this."""
        await self.delete(sha256)

    async def list(self) -> AsyncIterator[ports.Blob]:
        """See ports.StorageProvider.list. A page of 1,000 at a time."""
        async for page in self._pages(naming.OBJECTS):
            for key, size in page:
                sha256 = key.removeprefix(naming.OBJECTS)
                if naming.is_digest(sha256):
                    yield naming.blob(self._bucket.name, sha256, size)

    async def signed_url(
        self,
        sha256: str,
        *,
        expires: datetime.timedelta,
        media_type: str = "application/octet-stream",
        filename: str | None = None,
    ) -> ports.Link:
        """See ports.StorageProvider.signed_url. Served by Supabase, as a file to keep; its media type is always that of bytes."""
        granted = links.grant(sha256, expires=expires, media_type=media_type, filename=filename)
        said = {"expiresIn": max(1, int(expires.total_seconds()))}
        try:
            answer = await self._bucket.ask(
                "POST", self._bucket.path(_object(sha256), "sign"), said=said, expected=faults.GONE
            )
        except calls.Expected:
            raise naming.missing(sha256, self._bucket.where) from None
        url = self._bucket.absolute(self._bucket.parsed(answer)["signedURL"])
        return ports.Link(f"{url}&{_download(filename or sha256)}", sha256, granted.expires_at)

    async def signed_put(
        self, sha256: str, *, size: int, expires: datetime.timedelta
    ) -> ports.Upload:
        """See ports.StorageProvider.signed_put. Supabase sets the time (2 hours), and checks neither size nor digest."""
        links.grant(naming.checked(sha256), expires=expires, media_type="", filename=None)
        answer = await self._bucket.ask(
            "POST", self._bucket.path(_object(sha256), "upload", "sign"), said={}
        )
        url = self._bucket.absolute(self._bucket.parsed(answer)["url"])
        token = url.partition("token=")[2].partition("&")[0]
        claims = jwt.decode(token, options={"verify_signature": False})
        until = datetime.datetime.fromtimestamp(int(claims["exp"]), datetime.UTC)
        return ports.Upload(url, _NEW | {"Content-Length": str(size)}, sha256, until)

    async def pin(self, name: str, data: bytes) -> bytes:
        """See ports.StorageProvider.pin."""
        key = naming.PINS + naming.pin_file(name, data)
        if await self._post(key, data):
            return data
        return await self._pinned(key)

    async def pins(self, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
        """See ports.StorageProvider.pins. Some are read at the same time; a page of names is in memory."""
        async for page in self._pages(naming.PINS + prefix.replace("/", ".")):
            keys = [key for key, _ in page]
            for start in range(0, len(keys), _AHEAD):
                some = keys[start : start + _AHEAD]
                found = await asyncio.gather(*map(self._pinned, some))
                for key, data in zip(some, found, strict=True):
                    yield naming.pin_name(key.removeprefix(naming.PINS)), data

    async def _put(self, chunks: AsyncIterator[bytes], sha256: str, size: int) -> ports.Blob:
        """Send what is not there already, whole."""
        key = _object(sha256)
        stands = await self._size(key)
        if stands is None:
            await self._send(chunks, key, sha256, size)
        elif stands != size:
            raise naming.damaged(self._at(sha256), f"{stands} bytes instead of {size}")
        return naming.blob(self._bucket.name, sha256, size)

    async def _send(self, chunks: AsyncIterator[bytes], key: str, sha256: str, size: int) -> None:
        passed = passing.Hashed(chunks)
        if size <= resumable.PIECE:
            data = b"".join([chunk async for chunk in passed])
            _check(passed, sha256)
            written = await self._post(key, data)
        else:
            written = await self._resumable(passed, key, sha256, size)
        if not written and await self._size(key) != size:
            raise faults.waiting(f'"{self._at(sha256)}" is being written by somebody else')

    async def _resumable(self, passed: passing.Hashed, key: str, sha256: str, size: int) -> bool:
        upload = resumable.Upload(self._bucket, key, size)
        try:
            await upload.send(aiter(passed))
            _check(passed, sha256)
            await upload.finish()
        except calls.Expected:
            return False
        finally:
            await upload.abandon()
        return True

    async def _post(self, key: str, data: bytes) -> bool:
        """Write unless something stands there; whether these bytes were written."""
        try:
            await self._bucket.ask(
                "POST",
                self._bucket.path(key),
                headers=_NEW | {"Content-Length": str(len(data))},
                body=calls.sliced(memoryview(data)),
                expected=faults.STANDS,
                seconds=calls.PART_SECONDS,
            )
        except calls.Expected:
            return False
        return True

    async def _size(self, key: str) -> int | None:
        try:
            path = self._bucket.path(key, "info")
            answer = await self._bucket.ask("GET", path, expected=faults.GONE)
        except calls.Expected:
            return None
        return int(self._bucket.parsed(answer)["size"])

    async def _read(self, sha256: str) -> AsyncIterator[bytes]:
        path = self._bucket.path(_object(sha256))
        try:
            async with self._bucket.stream(path, expected=faults.GONE) as answer:
                seen = 0
                async for chunk in answer.aiter_raw(spool.PIECE):
                    seen += len(chunk)
                    yield chunk
                whole = answer.headers.get("content-length")
        except calls.Expected:
            raise naming.missing(sha256, self._bucket.where) from None
        if whole is not None and seen != int(whole):
            raise faults.waiting(f'"{self._bucket.where}" sent {seen} of {whole} bytes')

    async def _pinned(self, key: str) -> bytes:
        try:
            return (
                await self._bucket.ask("GET", self._bucket.path(key), expected=faults.GONE)
            ).content
        except calls.Expected:
            raise errors.Stalled(
                f'storage: pin "{key}" was removed from "{self._bucket.where}" by somebody',
                reason="ArtifactMissing",
            ) from None

    async def _pages(self, prefix: str) -> AsyncIterator[Page]:
        """Everything whose key begins so, in key order; keys are told without our prefix."""
        said: dict[str, Any] = {"prefix": self._bucket.key(prefix), "limit": _PAGE}
        cut = len(self._bucket.key(""))
        while True:
            path = f"/object/list-v2/{self._bucket.name}"
            page = self._bucket.parsed(await self._bucket.ask("POST", path, said=said))
            yield [
                (
                    str(each.get("key") or each["name"])[cut:],
                    int((each["metadata"] or {}).get("size", 0)),
                )
                for each in page["objects"]
            ]
            if not page.get("hasNext"):
                return
            said["cursor"] = page["nextCursor"]

    def _at(self, sha256: str) -> str:
        return f"{self._bucket.where}/{self._bucket.key(_object(sha256))}"


def _object(sha256: str) -> str:
    return naming.OBJECTS + naming.checked(sha256)


def _check(passed: passing.Hashed, expected: str) -> None:
    if passed.sha256 != expected:
        raise naming.mismatch(passed.sha256, expected)


def _download(name: str) -> str:
    return urllib.parse.urlencode({"download": name})
