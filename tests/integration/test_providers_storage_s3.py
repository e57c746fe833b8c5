"""`s3_compatible` against a real server (versitygw), and against one that misbehaves as it is told to."""

import datetime
import hashlib
import pathlib
from collections.abc import AsyncIterator, Iterator

import blobs
import cluster_keys
import httpx
import pytest
import storage_faults
import storage_server

from workbenchx import errors
from workbenchx.providers.storage import s3_compatible
from workbenchx.providers.storage.s3_compatible import adapter, uploads

MINUTE = datetime.timedelta(minutes=1)
BIG = [bytes([number]) * (1 << 20) for number in range(20)]
BIG_SHA256 = hashlib.sha256(b"".join(BIG)).hexdigest()


@pytest.fixture
def server(tmp_path: pathlib.Path) -> Iterator[storage_server.S3Server]:
    """A server of the test's own: it may be killed."""
    with storage_server.running(tmp_path / "s3") as started:
        yield started


@pytest.fixture
async def storage(server: storage_server.S3Server) -> AsyncIterator[adapter.S3Storage]:
    """The adapter on it."""
    opened = server.storage()
    yield opened
    await opened.aclose()


async def told(storage: adapter.S3Storage) -> errors.WorkbenchError:
    """How it fails to read."""
    with pytest.raises(errors.WorkbenchError) as caught:
        await blobs.read(storage, "a" * 64)
    await storage.aclose()
    return caught.value


def left_over(server: storage_server.S3Server) -> list[pathlib.Path]:
    """Parts of uploads that the server still keeps."""
    return [each for each in server.bucket.rglob("*") if each.is_file() and ".sgwtmp" in str(each)]


async def test_a_link_serves_a_file(
    server: storage_server.S3Server, storage: adapter.S3Storage
) -> None:
    """Whoever has it gets the bytes as a file of that name; changed, it opens nothing."""
    blob = await storage.put(blobs.stream(b"a,b\n"))
    link = await storage.signed_url(
        blob.sha256, expires=MINUTE, media_type="text/csv", filename="größe 1.csv"
    )
    async with httpx.AsyncClient(trust_env=False) as client:
        found = await client.get(link.url)
        assert (found.status_code, found.content) == (200, b"a,b\n")
        assert found.headers["content-type"] == "text/csv"
        assert found.headers["content-disposition"].startswith("attachment; filename*=UTF-8''gr%C3")
        other = await storage.put(blobs.stream(b"other"))
        changed = await client.get(link.url.replace(blob.sha256, other.sha256))
        assert changed.status_code == 403
    assert server.secret_key not in link.url


async def test_an_upload_by_link_takes_those_bytes_only(storage: adapter.S3Storage) -> None:
    """Size and digest are part of the signature: other bytes are refused by the server."""
    data = b"from a runner"
    sha256 = hashlib.sha256(data).hexdigest()
    upload = await storage.signed_put(sha256, size=len(data), expires=MINUTE)
    async with httpx.AsyncClient(trust_env=False) as client:
        wrong = await client.put(upload.url, headers=dict(upload.headers), content=b"From a runner")
        assert wrong.status_code in {400, 403}
        assert not await storage.exists(sha256)
        right = await client.put(upload.url, headers=dict(upload.headers), content=data)
        assert right.status_code == 200
    assert await blobs.read(storage, sha256) == data


async def test_a_big_object_comes_in_parts(
    server: storage_server.S3Server, storage: adapter.S3Storage
) -> None:
    """With a promise it is streamed straight through; nothing of the parts is left beside the object."""
    blob = await storage.put(blobs.stream(*BIG), expect_sha256=BIG_SHA256)
    assert (blob.sha256, blob.bytes) == (BIG_SHA256, 20 << 20)
    assert server.objects() == {blob.key, "conditional-writes"}
    assert left_over(server) == []


async def test_a_broken_promise_leaves_no_parts(
    server: storage_server.S3Server, storage: adapter.S3Storage
) -> None:
    """The digest is known to be wrong only at the end; the upload is given up then."""
    with pytest.raises(errors.Stalled) as caught:
        await storage.put(blobs.stream(*BIG), expect_sha256="0" * 64)
    assert caught.value.reason == "DigestMismatch"
    assert not await storage.exists("0" * 64)
    assert left_over(server) == []


async def test_what_a_killed_process_left_is_given_back(
    server: storage_server.S3Server, storage: adapter.S3Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first big upload of a process aborts those that are older than any that still goes on."""
    bucket = storage._bucket
    left = await bucket.ask("create_multipart_upload", {"Key": "sha256/" + "b" * 64})
    part = {"Key": left["Key"], "UploadId": left["UploadId"], "PartNumber": 1, "Body": b"x"}
    await bucket.ask("upload_part", part)
    assert left_over(server)
    await storage.put(blobs.stream(*BIG))
    assert left_over(server)
    monkeypatch.setattr(uploads, "LEFT", datetime.timedelta(0))
    again = server.storage()
    await again.put(blobs.stream(*BIG, b"more"))
    await again.aclose()
    assert left_over(server) == []


async def test_a_server_that_dies_while_it_is_given_bytes(
    server: storage_server.S3Server, storage: adapter.S3Storage
) -> None:
    """It is waited for; nothing stands under the key, and the same put succeeds when the server is back."""

    async def dying() -> AsyncIterator[bytes]:
        for number, chunk in enumerate(BIG):
            if number == 12:
                server.kill()
            yield chunk

    with pytest.raises(errors.Waiting) as caught:
        await storage.put(dying(), expect_sha256=BIG_SHA256)
    assert caught.value.reason == "StorageUnavailable"
    server.start()
    assert not await storage.exists(BIG_SHA256)
    assert (await storage.put(blobs.stream(*BIG), expect_sha256=BIG_SHA256)).bytes == 20 << 20


async def test_a_server_that_dies_while_it_is_read(
    server: storage_server.S3Server, storage: adapter.S3Storage
) -> None:
    """Bytes that stop coming are never taken for all of them."""
    blob = await storage.put(blobs.stream(*(BIG * 4)))

    async def read() -> None:
        async for _ in storage.open(blob.sha256):
            server.kill()

    with pytest.raises(errors.Waiting):
        await read()


async def test_damage_on_the_server_is_told(
    server: storage_server.S3Server, storage: adapter.S3Storage
) -> None:
    """Bytes that changed where they lie are not those that were asked for."""
    blob = await storage.put(blobs.stream(b"good"))
    (server.bucket / blob.key).write_bytes(b"evil")
    with pytest.raises(errors.Stalled) as caught:
        [chunk async for chunk in storage.open(blob.sha256)]
    assert caught.value.reason == "DigestMismatch"
    (server.bucket / blob.key).write_bytes(b"short one")
    with pytest.raises(errors.Stalled) as caught:
        await storage.put(blobs.stream(b"good"))
    assert caught.value.reason == "DigestMismatch"


async def test_no_bucket_is_not_no_object(server: storage_server.S3Server) -> None:
    """Whether something is there is not answered while the bucket is not."""
    storage = server.storage(bucket="elsewhere")
    with pytest.raises(errors.Stalled, match=r"there is no bucket .*/elsewhere") as caught:
        await storage.exists("a" * 64)
    assert caught.value.reason == "StorageUnavailable"
    await storage.aclose()


async def test_refused_keys_are_told(server: storage_server.S3Server) -> None:
    """By name, without the secret."""
    secret = server.secret_key
    server.secret_key = "w" * 40
    found = await told(server.storage())
    assert isinstance(found, errors.Stalled)
    assert "refuses the credentials (SignatureDoesNotMatch)" in found.message
    assert secret not in found.message
    assert "w" * 40 not in found.message


async def test_a_server_that_names_its_region_is_asked_again(
    server: storage_server.S3Server,
) -> None:
    """A wrong `settings.region` costs one more call, where the server says the right one."""
    storage = server.storage(region="eu-north-7")
    blob = await storage.put(blobs.stream(b"x"))
    assert await storage.exists(blob.sha256)
    await storage.aclose()


async def test_a_certificate_is_checked(tmp_path: pathlib.Path) -> None:
    """A server of an authority of one's own is trusted by `settings.caFile`, and not without."""
    authority = cluster_keys.Authority(tmp_path)
    with storage_server.running(tmp_path / "s3", tls=authority) as server:
        found = await told(server.storage())
        assert isinstance(found, errors.Stalled)
        assert "let settings.caFile name the authority's file" in found.message
        storage = server.storage(caFile=str(authority.certificate))
        blob = await storage.put(blobs.stream(b"x"))
        assert await storage.exists(blob.sha256)
        await storage.aclose()


async def test_nobody_listens(tmp_path: pathlib.Path) -> None:
    """A server that is away is waited for."""
    server = storage_server.S3Server(tmp_path, port=storage_server.free_port())
    found = await told(server.storage())
    assert isinstance(found, errors.Waiting)
    assert server.url in found.message


_SKEW = {"ServerTime": "2031-01-01T00:00:00Z"}
_GOOD = storage_faults.answer(200, b"x" * 4096)


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (storage_faults.refusal(503, "SlowDown"), errors.Waiting, r"is busy \(SlowDown\)"),
        (storage_faults.refusal(500, "InternalError"), errors.Waiting, "is busy"),
        (storage_faults.answer(502, b"<html>"), errors.Waiting, "is busy"),
        (storage_faults.refusal(403, "AccessDenied"), errors.Stalled, "access is denied"),
        (
            storage_faults.refusal(403, "RequestTimeTooSkewed", **_SKEW),
            errors.Stalled,
            "clock of this machine is off: .* says 2031-01-01T00:00:00Z",
        ),
        (
            storage_faults.refusal(400, "AuthorizationHeaderMalformed"),
            errors.Stalled,
            "settings.region must be the one of the bucket",
        ),
        (storage_faults.refusal(507, "InsufficientStorage"), errors.Stalled, "is full"),
        (storage_faults.answer(200, b"x" * 4096, cut=96), errors.Waiting, "does not answer"),
        (_GOOD, errors.Stalled, "artifact is damaged"),
    ],
)
async def test_bad_days(
    tmp_path: pathlib.Path, answer: bytes, kind: type[errors.WorkbenchError], message: str
) -> None:
    """Each is told by what to do next, and is asked for once: nobody tries again behind our back."""
    server = storage_server.S3Server(tmp_path)
    async with storage_faults.Scripted(answer).serving() as scripted:
        with pytest.raises(kind, match=message):
            raise await told(server.storage(endpoint=scripted.url))
        assert len(scripted.asked) == 1


async def test_a_pause_that_the_server_asks_for_is_kept(tmp_path: pathlib.Path) -> None:
    """Retry-After in seconds."""
    slow = storage_faults.answer(429, headers={"Retry-After": "17"})
    async with storage_faults.Scripted(slow).serving() as scripted:
        found = await told(storage_server.S3Server(tmp_path).storage(endpoint=scripted.url))
    assert isinstance(found, errors.Waiting)
    assert found.retry_after == 17


async def test_a_server_without_conditional_writes_keeps_no_pins(tmp_path: pathlib.Path) -> None:
    """It answers 200 twice where the second write had to be refused: nothing is pinned there."""
    async with storage_faults.Scripted(storage_faults.answer(200)).serving() as scripted:
        storage = storage_server.S3Server(tmp_path).storage(endpoint=scripted.url)
        with pytest.raises(errors.Stalled, match="ignores If-None-Match"):
            await storage.pin("anchors/1", b"x")
        await storage.aclose()
        assert all("pins/" not in line for line in scripted.asked)


@pytest.mark.parametrize(
    "settings",
    [
        {"bucket": "a"},
        {"endpoint": "ftp://x"},
        {"buckets": "x"},
        {"pathStyle": "yes"},
        {"prefix": "/a"},
    ],
)
def test_settings_are_checked(tmp_path: pathlib.Path, settings: dict[str, object]) -> None:
    """A message names the provider object and the setting."""
    server = storage_server.S3Server(tmp_path, port=1)
    with pytest.raises(errors.Stalled, match=f"s3-compatible.*{next(iter(settings))}"):
        server.storage(**settings)


def test_nothing_is_read_before_it_is_used(tmp_path: pathlib.Path) -> None:
    """A provider that nobody uses needs no credentials."""

    def never(name: str) -> str:
        raise AssertionError(name)

    option = storage_server.S3Server(tmp_path, port=1).option()
    assert s3_compatible.from_option(option, None, None, never).adapter == "s3_compatible"
