"""What every `ports.StorageProvider` promises. A later adapter adds its factory to FACTORIES."""

import asyncio
import datetime
import functools
import hashlib
import pathlib
import tracemalloc
import uuid
from collections.abc import AsyncIterator, Callable, Iterator

import blobs
import pytest
import storage_server
import storage_supabase

from workbenchx import errors, ports
from workbenchx.providers.storage import local, several


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[storage_server.S3Server]:
    """One S3 server for all of this file."""
    with storage_server.running(tmp_path_factory.mktemp("s3")) as server:
        yield server


def _on_s3(request: pytest.FixtureRequest) -> ports.StorageProvider:
    server: storage_server.S3Server = request.getfixturevalue("s3")
    return server.storage(prefix=f"{uuid.uuid4()}/")


@pytest.fixture(scope="module")
def supabase(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of one emulated Supabase project for all of this file."""
    with storage_supabase.elsewhere(tmp_path_factory.mktemp("supabase")) as url:
        yield url


def _on_supabase(request: pytest.FixtureRequest) -> ports.StorageProvider:
    return storage_supabase.storage(request.getfixturevalue("supabase"), prefix=f"{uuid.uuid4()}/")


def _on_disk(request: pytest.FixtureRequest) -> ports.StorageProvider:
    folder: pathlib.Path = request.getfixturevalue("tmp_path")
    return local.LocalStorage(folder / "storage")


def _on_several(request: pytest.FixtureRequest) -> ports.StorageProvider:
    folder: pathlib.Path = request.getfixturevalue("tmp_path")
    names = ("near", "far")
    makers = {name: functools.partial(local.LocalStorage, folder / name) for name in names}

    async def where(_sha256: str) -> tuple[str, ...]:
        return ()

    return several.Several(several.Places(makers), where, "far")


FACTORIES: dict[str, Callable[[pytest.FixtureRequest], ports.StorageProvider]] = {
    "local": _on_disk,
    "s3_compatible": _on_s3,
    "several": _on_several,
    "supabase_storage": _on_supabase,
}


@pytest.fixture(params=sorted(FACTORIES))
async def storage(request: pytest.FixtureRequest) -> AsyncIterator[ports.StorageProvider]:
    """One adapter, empty."""
    opened = FACTORIES[request.param](request)
    yield opened
    close = getattr(opened, "aclose", None)
    if close is not None:
        await close()


async def test_what_is_put_is_opened(storage: ports.StorageProvider) -> None:
    """Bytes come back whole, under the key made of their sha256."""
    blob = await storage.put(blobs.stream(b"one ", b"", b"two"))
    assert blob.sha256 == hashlib.sha256(b"one two").hexdigest()
    assert (blob.bytes, blob.key) == (7, f"sha256/{blob.sha256}")
    assert await blobs.read(storage, blob.sha256) == b"one two"


async def test_nothing_is_also_bytes(storage: ports.StorageProvider) -> None:
    """An empty stream is an object of no bytes."""
    blob = await storage.put(blobs.stream())
    assert await blobs.read(storage, blob.sha256) == b""
    assert await storage.exists(blob.sha256)


async def test_the_same_bytes_twice_are_one_object(storage: ports.StorageProvider) -> None:
    """Putting again changes nothing, by whatever verb."""
    first = await storage.put(blobs.stream(b"same"))
    assert await storage.put(blobs.stream(b"sa", b"me")) == first
    assert [blob async for blob in storage.list()] == [first]


async def test_a_file_is_put_like_a_stream(
    storage: ports.StorageProvider, tmp_path: pathlib.Path
) -> None:
    """put_file stores a file's bytes and leaves the file alone."""
    path = tmp_path / "file"
    path.write_bytes(b"content" * 1000)
    blob = await storage.put_file(path)
    assert await blobs.read(storage, blob.sha256) == path.read_bytes()


async def test_a_promise_is_checked(storage: ports.StorageProvider) -> None:
    """Bytes that differ from the promised sha256 are refused, and nothing is stored."""
    with pytest.raises(errors.Stalled) as caught:
        await storage.put(blobs.stream(b"other"), expect_sha256="0" * 64)
    assert caught.value.reason == "DigestMismatch"
    assert [blob async for blob in storage.list()] == []


async def test_a_stream_that_fails_stores_nothing(storage: ports.StorageProvider) -> None:
    """Half an object never gets a key."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await storage.put(broken())
    assert [blob async for blob in storage.list()] == []


@pytest.mark.parametrize("size", [1, 20 << 20])
@pytest.mark.parametrize("promised", [True, False])
async def test_who_is_cancelled_leaves_nothing(
    storage: ports.StorageProvider, *, size: int, promised: bool
) -> None:
    """A put that is called off in its middle was none, and the next one of the same bytes is a whole one."""
    data = [bytes(min(size, 1 << 20))] * max(1, size >> 20)
    sha256 = hashlib.sha256(b"".join(data)).hexdigest()
    reached = asyncio.Event()

    async def waiting() -> AsyncIterator[bytes]:
        for chunk in data:
            yield chunk
        reached.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(storage.put(waiting(), expect_sha256=sha256 if promised else None))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [blob async for blob in storage.list()] == []
    assert (await storage.put(blobs.stream(*data))).sha256 == sha256


async def test_a_reader_may_leave(storage: ports.StorageProvider) -> None:
    """Whoever stops in the middle of a stream costs nobody anything: others read on."""
    blob = await storage.put(blobs.stream(*([b"x" * (1 << 20)] * 20)))
    for _ in range(40):
        reading = storage.open(blob.sha256)
        async for _chunk in reading:
            break
        await reading.aclose()  # type: ignore[attr-defined] # every adapter's is a generator
    assert len(await blobs.read(storage, blob.sha256)) == blob.bytes


async def test_an_upload_by_link_is_bound_to_a_digest(storage: ports.StorageProvider) -> None:
    """The link leads to the key of those bytes and ends; where nobody else can write, it is refused."""
    sha256 = hashlib.sha256(b"x").hexdigest()
    minute = datetime.timedelta(minutes=1)
    if storage.adapter == "local":
        with pytest.raises(errors.Stalled):
            await storage.signed_put(sha256, size=1, expires=minute)
        return
    upload = await storage.signed_put(sha256, size=1, expires=minute)
    assert (upload.sha256, sha256 in upload.url) == (sha256, True)
    assert upload.expires_at > datetime.datetime.now(datetime.UTC)
    with pytest.raises(errors.Stalled):
        await storage.signed_put("../x", size=1, expires=minute)
    with pytest.raises(errors.Stalled):
        await storage.signed_put(sha256, size=1, expires=minute * 0)


async def test_missing_is_said(storage: ports.StorageProvider) -> None:
    """Opening a key that is not there is Stalled(ArtifactMissing)."""
    assert not await storage.exists("a" * 64)
    with pytest.raises(errors.Stalled) as caught:
        await blobs.read(storage, "a" * 64)
    assert caught.value.reason == "ArtifactMissing"


async def test_delete_is_idempotent(storage: ports.StorageProvider) -> None:
    """Deleting removes; deleting what is gone succeeds."""
    blob = await storage.put(blobs.stream(b"x"))
    await storage.delete(blob.sha256)
    await storage.delete(blob.sha256)
    await storage.discard(blob.sha256)
    assert not await storage.exists(blob.sha256)


async def test_the_list_is_in_key_order(storage: ports.StorageProvider) -> None:
    """List answers every object, sorted by key."""
    put = [await storage.put(blobs.stream(bytes([number]))) for number in range(40)]
    assert [blob async for blob in storage.list()] == sorted(put, key=lambda blob: blob.key)


async def test_memory_stays_constant(storage: ports.StorageProvider) -> None:
    """64 MB pass through less than half of that, both ways: three parts of an upload at most."""
    tracemalloc.start()
    try:
        blob = await storage.put(blobs.stream(*([bytes(1 << 20)] * 64)))
        total = 0
        async for chunk in storage.open(blob.sha256):
            total += len(chunk)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == blob.bytes == 64 << 20
    assert peak < 32 << 20


@pytest.mark.parametrize("bad", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"])
async def test_a_key_is_a_digest(storage: ports.StorageProvider, bad: str) -> None:
    """What is no sha256 is refused before it becomes a path or a URL."""
    with pytest.raises(errors.Stalled):
        await storage.exists(bad)


async def test_a_link_says_what_it_serves_and_until_when(storage: ports.StorageProvider) -> None:
    """The digest comes with the URL, and the end is as far away as was asked for."""
    blob = await storage.put(blobs.stream(b"shared"))
    before = datetime.datetime.now(datetime.UTC)
    quarter = datetime.timedelta(minutes=15)
    link = await storage.signed_url(blob.sha256, expires=quarter, media_type="text/csv")
    assert link.sha256 == blob.sha256
    assert blob.sha256 in link.url
    assert abs(link.expires_at - before - quarter) < datetime.timedelta(seconds=5)


async def test_there_is_no_link_to_nothing(storage: ports.StorageProvider) -> None:
    """Bytes that are not there are Stalled(ArtifactMissing), not a link that leads nowhere."""
    with pytest.raises(errors.Stalled) as caught:
        await storage.signed_url("a" * 64, expires=datetime.timedelta(minutes=1))
    assert caught.value.reason == "ArtifactMissing"


@pytest.mark.parametrize("seconds", [0, -5, 8 * 86400])
async def test_a_link_is_good_for_a_while(storage: ports.StorageProvider, seconds: int) -> None:
    """Not for no time, and not for ever."""
    blob = await storage.put(blobs.stream(b"shared"))
    with pytest.raises(errors.Stalled) as caught:
        await storage.signed_url(blob.sha256, expires=datetime.timedelta(seconds=seconds))
    assert caught.value.reason == "InvalidSpec"


async def test_a_pin_stands_for_ever(storage: ports.StorageProvider) -> None:
    """The first writer's bytes stay under the name, and every later writer is told so."""
    assert await storage.pin("anchors/a/1", b"first") == b"first"
    assert await storage.pin("anchors/a/1", b"second") == b"first"
    assert [each async for each in storage.pins("anchors/")] == [("anchors/a/1", b"first")]


async def test_of_many_that_pin_at_once_one_wins(storage: ports.StorageProvider) -> None:
    """All of them get the same answer, which is what one of them wrote."""
    wanted = [str(number).encode() for number in range(20)]
    stands = await asyncio.gather(*(storage.pin("race", data) for data in wanted))
    assert len(set(stands)) == 1
    assert stands[0] in wanted


async def test_pins_are_listed_by_prefix_in_order(storage: ports.StorageProvider) -> None:
    """Name order, and only what begins so; objects are not among them, nor they among objects."""
    for name in ("b/2", "a/10", "b/10", "b-c/1", "b"):
        await storage.pin(name, name.encode())
    blob = await storage.put(blobs.stream(b"x"))
    assert [name async for name, _ in storage.pins("b/")] == ["b/10", "b/2"]
    assert [name async for name, _ in storage.pins("")] == ["a/10", "b", "b-c/1", "b/10", "b/2"]
    assert [each async for each in storage.list()] == [blob]


@pytest.mark.parametrize("bad", ["", "/a", "a/", "a//b", "../a", "A", "a b", "a.b"])
async def test_a_pin_has_a_plain_name(storage: ports.StorageProvider, bad: str) -> None:
    """No name leads out of the pins; and a pin is small."""
    with pytest.raises(errors.Stalled):
        await storage.pin(bad, b"x")
    with pytest.raises(errors.Stalled):
        await storage.pin("big", bytes(ports.PIN_LIMIT + 1))
