"""One object in many parts: three in CI, as many as `STORAGE_TEST_BYTES` says elsewhere (5368709120 is 5 GB)."""

import contextlib
import hashlib
import os
import pathlib
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import storage_server
import storage_supabase

from workbenchx.providers.storage.s3_compatible import adapter as s3
from workbenchx.providers.storage.supabase_storage import adapter as supabase

SIZE = int(os.environ.get("STORAGE_TEST_BYTES", "26214400")) | 1  # the last part is not a whole one
MEMORY = 64 << 20
_PIECE = bytes(range(256)) * 4096
_Made = tuple[s3.S3Storage | supabase.SupabaseStorage, Callable[[], int]]


@contextlib.contextmanager
def _s3(folder: pathlib.Path) -> Iterator[_Made]:
    with storage_server.running(folder / "s3") as server:
        kept = (each for each in server.bucket.rglob("*") if ".sgwtmp" in str(each))
        yield server.storage(), lambda: sum(each.is_file() for each in kept)


@contextlib.contextmanager
def _supabase(folder: pathlib.Path) -> Iterator[_Made]:
    """Its connection is cut once, in the middle of a piece."""
    with storage_supabase.running(folder / "supabase") as emulator:
        emulator.faults.half = True
        yield emulator.storage(), lambda: len(emulator.uploads) + emulator.faults.half


SERVERS = {"s3_compatible": _s3, "supabase_storage": _supabase}


async def _bytes() -> AsyncIterator[bytes]:
    """No two pieces alike, none of them kept."""
    for at in range(0, SIZE, len(_PIECE)):
        yield (at.to_bytes(8, "big") + _PIECE[8:])[: SIZE - at]


async def _digest(stream: AsyncIterator[bytes]) -> tuple[str, int]:
    seen, size = hashlib.sha256(), 0
    async for piece in stream:
        seen.update(piece)
        size += len(piece)
    return seen.hexdigest(), size


@pytest.mark.parametrize("name", sorted(SERVERS))
async def test_a_big_object_passes_through_constant_memory(
    name: str, tmp_path: pathlib.Path
) -> None:
    """It goes in by parts and comes out as it was, checked both ways; this process never holds much of it; no part is left."""
    sha256, _ = await _digest(_bytes())
    with SERVERS[name](tmp_path) as (storage, left):
        async with contextlib.aclosing(storage):
            before = _peak()
            blob = await storage.put(_bytes(), expect_sha256=sha256)
            assert (blob.sha256, blob.bytes) == (sha256, SIZE)
            assert await _digest(storage.open(sha256)) == (sha256, SIZE)
            held = _peak(reset=False) - before
            assert held < MEMORY, f"{held >> 20} MB more than before"
            assert left() == 0
            await storage.delete(sha256)
            assert not await storage.exists(sha256)


def _peak(*, reset: bool = True) -> int:
    """The most memory that this process had since the last reset, in bytes."""
    if reset:
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    (line,) = [each for each in lines if each.startswith("VmHWM:")]
    return int(line.split()[1]) << 10
