"""`supabase_storage` against an emulator that keeps the vendor's wire format, as the vendor's own client confirms."""

import datetime
import hashlib
import json
import pathlib
import subprocess
from collections.abc import AsyncIterator, Iterator

import blobs
import httpx
import npm_programs
import pytest
import storage_faults
import storage_supabase
import tools

from workbenchx import errors
from workbenchx.providers.storage import supabase_storage
from workbenchx.providers.storage.supabase_storage import adapter

MINUTE = datetime.timedelta(minutes=1)
BIG = [bytes([number]) * (1 << 20) for number in range(20)]
BIG_SHA256 = hashlib.sha256(b"".join(BIG)).hexdigest()


@pytest.fixture
def emulator(tmp_path: pathlib.Path) -> Iterator[storage_supabase.Emulator]:
    """A project of the test's own."""
    with storage_supabase.running(tmp_path / "supabase") as started:
        yield started


@pytest.fixture
async def storage(emulator: storage_supabase.Emulator) -> AsyncIterator[adapter.SupabaseStorage]:
    """The adapter on it."""
    opened = emulator.storage()
    yield opened
    await opened.aclose()


async def told(storage: adapter.SupabaseStorage) -> errors.WorkbenchError:
    """How it fails to read."""
    with pytest.raises(errors.WorkbenchError) as caught:
        await blobs.read(storage, "a" * 64)
    await storage.aclose()
    return caught.value


async def test_the_bucket_is_made_private(
    emulator: storage_supabase.Emulator, storage: adapter.SupabaseStorage
) -> None:
    """At first use, where it is not there."""
    await storage.put(blobs.stream(b"x"))
    assert emulator.buckets["workbenchx"]["public"] is False


async def test_a_public_bucket_is_refused(
    emulator: storage_supabase.Emulator, storage: adapter.SupabaseStorage
) -> None:
    """What a member may not see is not behind a digest that can be guessed."""
    emulator.buckets["workbenchx"] = {"id": "workbenchx", "public": True}
    with pytest.raises(errors.Stalled, match="is public"):
        await storage.put(blobs.stream(b"x"))


async def test_a_bucket_is_made_only_where_that_is_allowed(
    emulator: storage_supabase.Emulator,
) -> None:
    """`settings.createBucket: false` says that somebody else does it."""
    storage = emulator.storage(createBucket=False)
    with pytest.raises(errors.Stalled, match="there is no bucket"):
        await storage.exists("a" * 64)
    assert emulator.buckets == {}
    await storage.aclose()


async def test_a_link_serves_a_file(storage: adapter.SupabaseStorage) -> None:
    """Whoever has it gets the bytes as a file of that name; for other bytes it is no good."""
    blob = await storage.put(blobs.stream(b"a,b\n"))
    link = await storage.signed_url(blob.sha256, expires=MINUTE, filename="größe 1.csv")
    other = await storage.put(blobs.stream(b"other"))
    async with httpx.AsyncClient(trust_env=False) as client:
        found = await client.get(link.url)
        assert (found.status_code, found.content) == (200, b"a,b\n")
        assert "filename*=UTF-8''gr%C3%B6%C3%9Fe%201.csv" in found.headers["content-disposition"]
        assert (await client.get(link.url.replace(blob.sha256, other.sha256))).is_error


async def test_an_upload_by_link_is_good_once(storage: adapter.SupabaseStorage) -> None:
    """It says until when the vendor lets it be good; what stands under the key is not replaced."""
    data = b"from a runner"
    sha256 = hashlib.sha256(data).hexdigest()
    upload = await storage.signed_put(sha256, size=len(data), expires=MINUTE)
    left = upload.expires_at - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(minutes=119) < left <= datetime.timedelta(hours=2)
    async with httpx.AsyncClient(trust_env=False) as client:
        first = await client.put(upload.url, headers=dict(upload.headers), content=data)
        assert first.status_code == 200
        again = await client.put(upload.url, headers=dict(upload.headers), content=data[::-1])
        assert again.json()["code"] == "KeyAlreadyExists"
    assert await blobs.read(storage, sha256) == data


async def test_a_big_object_goes_on_where_it_broke_off(
    emulator: storage_supabase.Emulator, storage: adapter.SupabaseStorage
) -> None:
    """A piece that arrived by half is not sent again from its beginning."""
    emulator.faults.half = True
    blob = await storage.put(blobs.stream(*BIG))
    assert (blob.sha256, blob.bytes) == (BIG_SHA256, 20 << 20)
    assert await blobs.read(storage, BIG_SHA256) == b"".join(BIG)
    assert emulator.uploads == {}


async def test_a_file_that_changes_while_it_is_sent_leaves_nothing(
    emulator: storage_supabase.Emulator, storage: adapter.SupabaseStorage, tmp_path: pathlib.Path
) -> None:
    """The last piece is held back until the digest is known to be right."""
    await storage.exists("a" * 64)
    with pytest.raises(errors.Stalled) as caught:
        await storage._send(blobs.stream(*BIG), "sha256/" + "0" * 64, "0" * 64, 20 << 20)
    assert caught.value.reason == "DigestMismatch"
    assert (emulator.objects, emulator.uploads) == ({}, {})


async def test_who_was_faster_wrote_the_same(
    emulator: storage_supabase.Emulator, storage: adapter.SupabaseStorage
) -> None:
    """Two that put the same big object at once both succeed."""
    other = emulator.storage()
    await other.exists("a" * 64)
    first = await storage.put(blobs.stream(*BIG))
    await other._send(blobs.stream(*BIG), first.key, first.sha256, first.bytes)
    await other.aclose()
    assert len(emulator.objects) == 1


async def test_a_server_that_goes_away_while_it_is_given_bytes(
    emulator: storage_supabase.Emulator, storage: adapter.SupabaseStorage
) -> None:
    """It is waited for; nothing stands under the key, and the same put succeeds when it is back."""
    await storage.exists("a" * 64)

    async def going() -> AsyncIterator[bytes]:
        for number, chunk in enumerate(BIG):
            if number == 12:
                emulator.stop()
            yield chunk

    with pytest.raises(errors.Waiting) as caught:
        await storage._send(going(), f"sha256/{BIG_SHA256}", BIG_SHA256, 20 << 20)
    assert caught.value.reason == "StorageUnavailable"
    emulator.start()
    assert not await storage.exists(BIG_SHA256)
    assert (await storage.put(blobs.stream(*BIG))).bytes == 20 << 20


async def test_bytes_that_stop_coming_are_not_all_of_them(
    emulator: storage_supabase.Emulator, storage: adapter.SupabaseStorage
) -> None:
    """A download that is cut off is waited for, never taken for damage."""
    blob = await storage.put(blobs.stream(*BIG))
    emulator.faults.cut = 5 << 20
    with pytest.raises(errors.Waiting):
        await blobs.read(storage, blob.sha256)


async def test_damage_on_the_server_is_told(
    emulator: storage_supabase.Emulator, storage: adapter.SupabaseStorage
) -> None:
    """Bytes that changed where they lie are not those that were asked for."""
    blob = await storage.put(blobs.stream(b"good"))
    emulator.objects["workbenchx", blob.key].path.write_bytes(b"evil")
    with pytest.raises(errors.Stalled) as caught:
        await blobs.read(storage, blob.sha256)
    assert caught.value.reason == "DigestMismatch"


async def test_busy_is_waited_for(
    emulator: storage_supabase.Emulator, storage: adapter.SupabaseStorage
) -> None:
    """429 is no reason to give up, nor to ask again at once."""
    await storage.exists("a" * 64)
    emulator.faults.busy = 1
    with pytest.raises(errors.Waiting, match=r"is busy \(SlowDown\)"):
        await storage.exists("a" * 64)
    assert emulator.faults.busy == 0


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (storage_faults.answer(503, b"<html>"), errors.Waiting, r"is busy \(503\)"),
        (storage_faults.answer(540, b"{}"), errors.Stalled, "is paused"),
        (storage_faults.answer(200, b"{"), errors.Waiting, "does not answer"),
        (
            storage_faults.answer(
                400, b'{"statusCode":"403","error":"Unauthorized","code":"AccessDenied"}'
            ),
            errors.Stalled,
            "refuses the credentials",
        ),
    ],
)
async def test_bad_days(answer: bytes, kind: type[errors.WorkbenchError], message: str) -> None:
    """Each is told by what to do next, and is asked for once."""
    async with storage_faults.Scripted(answer).serving() as scripted:
        with pytest.raises(kind, match=message):
            raise await told(storage_supabase.storage(scripted.url))
        assert len(scripted.asked) == 1


@pytest.mark.parametrize("url", ["http://project.example", "project.example", "eyJhbGciOi"])
async def test_a_url_is_checked_and_not_shown(url: str) -> None:
    """It may be the key, by mistake."""
    option = storage_supabase.Option({"bucket": "workbenchx"})
    storage = supabase_storage.from_option(option, None, None, lambda _: url)
    found = await told(storage)
    assert found.reason == "InvalidSpec"
    assert url not in found.message


def test_the_vendors_client_understands_the_emulator(emulator: storage_supabase.Emulator) -> None:
    """Supabase's own client for JavaScript reads every answer as it reads the vendor's."""
    node = tools.need("node", "apt-get install npm")
    client = npm_programs.storage_client()
    if not client.exists():
        pytest.skip(f"needs @supabase/storage-js: {npm_programs.HOW}")
    script = pathlib.Path(storage_supabase.__file__).with_name("storage_client.mjs")
    command = [str(node), str(script), emulator.url, storage_supabase.key(), str(client)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["made"] == {"name": "npm"}
    assert found["again"]["statusCode"] == "409"
    assert found["bucket"]["public"] is False
    assert found["uploaded"]["fullPath"] == "npm/a/one.txt"
    refused = {"status": 400, "statusCode": "409", "message": "The resource already exists"}
    assert found["duplicate"] == refused
    assert found["missing"]["statusCode"] == "404"
    assert (found["info"]["size"], found["info"]["contentType"]) == (12, "text/plain")
    assert found["exists"] == [True, False]
    assert found["downloaded"] == "bytes of npm"
    assert found["linked"][:2] == [200, "bytes of npm"]
    assert "name.txt" in found["linked"][2]
    assert found["signed"]["fullPath"] == "npm/a/two.txt"
    assert [each["name"] for each in found["first"]["objects"]] == ["a/one.txt"]
    assert [each["name"] for each in found["second"]["objects"]] == ["a/two.txt"]
    assert (found["first"]["hasNext"], found["second"]["hasNext"]) == (True, False)
    assert [each["name"] for each in found["removed"]] == ["a/one.txt"]
    assert found["stranger"]["statusCode"] == "403"
