"""Bytes on their way into a bucket: one call while they are few, else parts, which count only once they are all there."""

import asyncio
import contextlib
import datetime
import io
import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from workbenchx import errors
from workbenchx.providers.storage import naming, passing
from workbenchx.providers.storage.s3_compatible import calls, faults

LOG = logging.getLogger(__name__)
PART = 8 << 20
# Older than any upload that still goes on: what a killed process left.
LEFT = datetime.timedelta(days=1)
_FIRST, _AGAIN = b"1", b"2"


class Uploads:
    """Writes objects and pins of one bucket, never over what stands there where the server can keep us from it."""

    def __init__(self, bucket: calls.Bucket) -> None:
        self._bucket = bucket
        self._conditional: bool | None = None
        self._swept = False

    async def once(self, key: str, data: bytes) -> bool:
        """Write unless something stands there; whether these bytes were written.

        Raises:
            errors.Stalled: reason StorageUnavailable: this server cannot promise it.
        """
        if not await self.conditional():
            raise calls.unconditional(self._bucket.where)
        for _ in range(8):
            try:
                await self._put(key, data)
            except calls.Expected as refusal:
                if refusal.code in faults.STANDS:
                    return False
                await asyncio.sleep(0.1)  # another writer is at it, says the server: ask again
            else:
                return True
        raise errors.Conflict(f'storage: "{key}" is being written by somebody else')

    async def send(self, key: str, chunks: AsyncIterator[bytes], expected: str) -> int:
        """Write a stream under a key; how many bytes. Nothing stands under the key if they are not those expected."""
        passed = passing.Hashed(chunks)
        upload = _Upload(self._bucket, key)
        try:
            async for part in passing.parts(aiter(passed), PART):
                if not upload.begun and len(part) < PART:
                    _check(passed, expected)
                    await self._settle(self._put(key, part), key, passed.size)
                else:
                    await self._begin(upload)
                    await upload.send(part)
                del part  # else a part that was sent stays in memory while the next one is gathered
            if upload.begun:
                await upload.drain()
                _check(passed, expected)
                completing = upload.complete(await self._condition())
                await self._settle(completing, key, passed.size)
        finally:
            await upload.abort()
        return passed.size

    async def conditional(self) -> bool:
        """Whether the server keeps to If-None-Match. Tried once, on a key of its own: some servers ignore it."""
        if self._conditional is None:
            key = self._bucket.key("conditional-writes")
            what = {"Key": key, "IfNoneMatch": "*"}
            expected = faults.STANDS | faults.RACED | faults.UNSUPPORTED
            with contextlib.suppress(calls.Expected):
                await self._bucket.ask("put_object", what | {"Body": _FIRST}, expected=expected)
            try:
                await self._bucket.ask("put_object", what | {"Body": _AGAIN}, expected=expected)
                self._conditional = False
            except calls.Expected as refusal:
                self._conditional = refusal.code not in faults.UNSUPPORTED
        return self._conditional

    async def _put(self, key: str, data: bytes | bytearray) -> None:
        what = {"Key": self._bucket.key(key), "Body": io.BytesIO(data)}
        await self._bucket.ask(
            "put_object",
            what | await self._condition(),
            expected=faults.STANDS | faults.RACED,
            seconds=calls.PART_SECONDS,
        )

    async def _condition(self) -> dict[str, str]:
        return {"IfNoneMatch": "*"} if await self.conditional() else {}

    async def _settle(self, writing: Coroutine[Any, Any, None], key: str, size: int) -> None:
        """The key is the digest: whoever was faster wrote the same bytes, if they are all there."""
        try:
            await writing
        except calls.Expected as refusal:
            stands = await self._bucket.size(key)
            if stands is None:
                raise errors.Waiting(
                    f'storage: "{key}" is being written by somebody else', reason="Conflict"
                ) from refusal
            if stands != size:
                raise naming.damaged(key, f"{stands} bytes instead of {size}") from refusal

    async def _begin(self, upload: "_Upload") -> None:
        if not upload.begun:
            await self._sweep()
            await upload.begin()

    async def _sweep(self) -> None:
        """Once a process: give back what uploads that were killed still hold. A server that cannot list them has none for us."""
        if self._swept:
            return
        self._swept = True
        prefix = {"Prefix": self._bucket.key(naming.OBJECTS)}
        try:
            found = await self._bucket.ask("list_multipart_uploads", prefix)
            for each in found.get("Uploads", ()):
                if datetime.datetime.now(datetime.UTC) - each["Initiated"] > LEFT:
                    await _abort(self._bucket, {"Key": each["Key"], "UploadId": each["UploadId"]})
        except errors.WorkbenchError as problem:
            LOG.info("uploads that were left behind are not looked for: %s", problem.message)


class _Upload:
    """One multipart upload. A part is sent while the next one is gathered; `abort` in any case."""

    def __init__(self, bucket: calls.Bucket, key: str) -> None:
        self._bucket = bucket
        self._which = {"Key": bucket.key(key)}
        self._parts: list[dict[str, Any]] = []
        self._sending: asyncio.Task[None] | None = None
        self.begun = False

    async def begin(self) -> None:
        answer = await self._bucket.ask("create_multipart_upload", self._which)
        self._which["UploadId"] = answer["UploadId"]
        self.begun = True

    async def send(self, part: bytearray) -> None:
        """Once the part before it has arrived; an empty one, which only the last can be, is none."""
        await self.drain()
        if part:
            self._sending = asyncio.create_task(self._part(len(self._parts) + 1, io.BytesIO(part)))

    async def drain(self) -> None:
        if self._sending is not None:
            await self._sending
            self._sending = None

    async def complete(self, condition: dict[str, str]) -> None:
        parts = {"MultipartUpload": {"Parts": self._parts}}
        await self._bucket.ask(
            "complete_multipart_upload",
            self._which | parts | condition,
            expected=faults.STANDS | faults.RACED,
            seconds=calls.PART_SECONDS,
        )
        self.begun = False

    async def abort(self) -> None:
        """Of an upload that was not completed: give its parts back."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])
        if self.begun:
            await _abort(self._bucket, self._which)

    async def _part(self, number: int, body: io.BytesIO) -> None:
        # As bytes, a body would be copied whole into the socket's buffer.
        what = {"PartNumber": number, "Body": body, **self._which}
        sent = await self._bucket.ask("upload_part", what, seconds=calls.PART_SECONDS)
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})


async def _abort(bucket: calls.Bucket, which: dict[str, str]) -> None:
    """If the server can be reached; else the sweep of another day does it."""
    with contextlib.suppress(errors.WorkbenchError):
        await bucket.ask("abort_multipart_upload", which)


def _check(passed: passing.Hashed, expected: str) -> None:
    if passed.sha256 != expected:
        raise naming.mismatch(passed.sha256, expected)
