"""What an adapter adds to one call of its vendor: `s3_compatible` against bare aiobotocore, on a real S3 server.

Small objects, so that calls count and not bytes; both sides in turns, in one process, with the connections of one client. A
put of ours checks that the bytes are what was promised, and that an object of that key is written once; a get checks the
sha256; the bare side does neither. The overhead is the difference of the medians; the goal of the issue is 5 ms a call.
"""

import asyncio
import dataclasses
import datetime
import hashlib
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import harness

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

import storage_server  # a benchmark is a program of its own: it has no path but its folder

from workbenchx.providers.storage.s3_compatible import adapter

GOAL_MS = 5.0
SIZE = 1024
_HOUR = datetime.timedelta(hours=1)
Call = Callable[[bytes], Awaitable[None]]


@dataclasses.dataclass(frozen=True, slots=True)
class Side:
    """One way to talk to the server: a call for each verb, of an object's bytes."""

    put: Call
    exists: Call
    get: Call
    link: Call
    delete: Call


VERBS = [field.name for field in dataclasses.fields(Side)]


def measure(small: bool) -> list[harness.Row]:
    """Both sides of each verb."""
    count = 5 if small else 300
    with harness.workspace() as folder, storage_server.running(folder / "s3") as server:
        taken = asyncio.run(_turns(server, count))
        left = {key for key in server.objects() if key.startswith("sha256/")}
    assert left == set(), f"{len(left)} objects were not deleted"
    return [] if small else [row for verb in VERBS for row in _rows(verb, taken)]


def _rows(verb: str, taken: dict[tuple[str, str], list[float]]) -> list[harness.Row]:
    ours, bare = (statistics.median(taken[side, verb]) * 1000 for side in ("ours", "bare"))
    return [
        harness.Row(f"{verb}, {SIZE} bytes", ours, bare, "ms"),
        harness.Row("- what the adapter adds, against the bound", ours - bare, GOAL_MS, "ms", 1),
    ]


async def _turns(server: storage_server.S3Server, count: int) -> dict[tuple[str, str], list[float]]:
    """Seconds of each call, by side and verb."""
    storage = server.storage()
    client = await storage._bucket._clients.calling()
    sides = {"ours": _ours(storage), "bare": _bare(client)}
    taken: dict[tuple[str, str], list[float]] = {
        (side, verb): [] for side in sides for verb in VERBS
    }
    for number in range(count + 1):
        for name, side in sides.items():
            data = f"{name} {number} ".encode().ljust(SIZE, b".")
            for verb in VERBS:
                begun = time.perf_counter()
                await getattr(side, verb)(data)
                if number:  # the first one connects
                    taken[name, verb].append(time.perf_counter() - begun)
    await storage.aclose()
    return taken


def _ours(storage: adapter.S3Storage) -> Side:
    async def put(data: bytes) -> None:
        blob = await storage.put(_stream(data), expect_sha256=_digest(data))
        assert blob.bytes == len(data)

    async def exists(data: bytes) -> None:
        assert await storage.exists(_digest(data))

    async def get(data: bytes) -> None:
        assert b"".join([each async for each in storage.open(_digest(data))]) == data

    async def link(data: bytes) -> None:
        assert (await storage.signed_url(_digest(data), expires=_HOUR)).url

    async def delete(data: bytes) -> None:
        await storage.delete(_digest(data))

    return Side(put, exists, get, link, delete)


def _bare(client: Any) -> Side:
    def what(data: bytes) -> dict[str, str]:
        return {"Bucket": storage_server.BUCKET, "Key": f"sha256/{_digest(data)}"}

    async def put(data: bytes) -> None:
        await client.put_object(**what(data), Body=data)

    async def exists(data: bytes) -> None:
        assert (await client.head_object(**what(data)))["ContentLength"] == len(data)

    async def get(data: bytes) -> None:
        answer = await client.get_object(**what(data))
        assert await answer["Body"].read() == data

    async def link(data: bytes) -> None:
        assert await client.generate_presigned_url("get_object", Params=what(data), ExpiresIn=3600)

    async def delete(data: bytes) -> None:
        await client.delete_object(**what(data))

    return Side(put, exists, get, link, delete)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def _stream(data: bytes) -> AsyncIterator[bytes]:
    yield data


if __name__ == "__main__":
    harness.main(measure)
