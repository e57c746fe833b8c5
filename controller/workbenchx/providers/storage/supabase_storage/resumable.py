"""Big objects on their way in, by TUS: pieces of 6 MiB, and after a broken connection from where the server stands."""

import asyncio
import contextlib
import urllib.parse
from base64 import b64encode
from collections.abc import AsyncIterator

import httpx

from workbenchx import errors
from workbenchx.providers.storage import passing
from workbenchx.providers.storage.supabase_storage import calls, faults

PIECE = 6 << 20
_TRIES, _PAUSE = 4, 0.5
_TUS = {"Tus-Resumable": "1.0.0"}
_PATH = "/upload/resumable"


class Upload:
    """One upload of a known length; `abandon` unless it was finished."""

    def __init__(self, bucket: calls.Bucket, key: str, size: int) -> None:
        self._bucket = bucket
        self._key = key
        self._size = size
        self._path = ""
        self._offset = 0
        self._last = bytearray()

    async def send(self, chunks: AsyncIterator[bytes]) -> None:
        """All pieces but the last: until then nothing stands under the key.

        Raises:
            calls.Expected: something stands under the key.
        """
        await self._begin()
        async for piece in passing.parts(chunks, PIECE):
            if self._offset + len(piece) < self._size:
                await self._send(piece)
            elif piece:
                self._last = piece
            del piece  # else it stays in memory while the next one is gathered

    async def finish(self) -> None:
        """The last piece: with it the object is there, whole.

        Raises:
            calls.Expected: something stands under the key.
        """
        await self._send(self._last)
        self._path = ""

    async def abandon(self) -> None:
        """Give back what was sent, if the server can be reached; else it does so itself after a day."""
        if self._path:
            with contextlib.suppress(errors.WorkbenchError):
                await self._bucket.ask("DELETE", self._path, headers=_TUS)

    async def _begin(self) -> None:
        said = {
            "bucketName": self._bucket.name,
            "objectName": self._bucket.key(self._key),
            "contentType": "application/octet-stream",
            "cacheControl": "31536000",
        }
        metadata = ",".join(
            f"{name} {b64encode(each.encode()).decode()}" for name, each in said.items()
        )
        headers = _TUS | {
            "Upload-Length": str(self._size),
            "Upload-Metadata": metadata,
            "x-upsert": "false",
        }
        answer = await self._bucket.ask("POST", _PATH, headers=headers, expected=faults.STANDS)
        # The server may name itself as it sees itself, behind a gateway: only its last part is of use.
        name = urllib.parse.urlsplit(answer.headers.get("location", "")).path.rpartition("/")[2]
        self._path = f"{_PATH}/{name}"

    async def _send(self, piece: bytearray) -> None:
        """One piece. A connection that breaks costs what the server had not yet written down."""
        end = self._offset + len(piece)
        for left in reversed(range(_TRIES)):
            try:
                self._offset = _offset(await self._patch(memoryview(piece)[self._offset - end :]))
            except errors.Waiting as problem:
                if not left:
                    raise
                await asyncio.sleep(min(_PAUSE, problem.retry_after))
                self._offset = await self._stands(self._offset, end)
            if self._offset == end:
                return
        raise faults.waiting(f'"{self._bucket.where}" keeps only a part of what it is sent')

    async def _patch(self, piece: memoryview) -> httpx.Response:
        headers = _TUS | {
            "Upload-Offset": str(self._offset),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(len(piece)),
            "x-upsert": "false",
        }
        return await self._bucket.ask(
            "PATCH",
            self._path,
            headers=headers,
            body=calls.sliced(piece),
            expected=faults.STANDS,
            seconds=calls.PART_SECONDS,
        )

    async def _stands(self, begun: int, end: int) -> int:
        """How far the server came.

        Raises:
            errors.Waiting: it came to somewhere else than this piece.
        """
        offset = _offset(await self._bucket.ask("HEAD", self._path, headers=_TUS))
        if not begun <= offset <= end:
            raise faults.waiting(f'"{self._bucket.where}" lost its place in an upload')
        return offset


def _offset(answer: httpx.Response) -> int:
    said = answer.headers.get("upload-offset", "")
    return int(said) if said.isascii() and said.isdigit() else 0
