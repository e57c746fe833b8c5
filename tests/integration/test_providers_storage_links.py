"""Signed links of the local storage: what they allow, and everything they refuse."""

import concurrent.futures
import datetime
import pathlib
import urllib.parse

import blobs
import pytest

from workbenchx import errors
from workbenchx.providers.storage import links, local

QUARTER = datetime.timedelta(minutes=15)


async def linked(
    storage: local.LocalStorage, data: bytes = b"secret"
) -> tuple[str, dict[str, str]]:
    """Stored bytes and a link to them: the sha256 and the query of the link."""
    blob = await storage.put(blobs.stream(data))
    link = await storage.signed_url(
        blob.sha256, expires=QUARTER, media_type="text/html", filename='a "b"\n/ü.html'
    )
    parts = urllib.parse.urlsplit(link.url)
    assert parts.path == f"{links.ROUTE}{blob.sha256}"
    return blob.sha256, dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))


def names(folder: pathlib.Path) -> list[str]:
    """What lies there."""
    return sorted(path.name for path in folder.iterdir())


def refused(
    storage: local.LocalStorage,
    sha256: str,
    query: dict[str, str],
    now: datetime.datetime | None = None,
) -> str:
    """The message with which the link is refused."""
    with pytest.raises(errors.Stalled) as caught:
        storage.verify_link(sha256, query, now=now)
    assert caught.value.reason == "LinkRefused"
    return caught.value.message


async def test_a_link_allows_what_it_says(tmp_path: pathlib.Path) -> None:
    """Bytes, media type, name and end are those that were signed; the answer is a file and runs nothing."""
    storage = local.LocalStorage(tmp_path)
    sha256, query = await linked(storage)
    grant = storage.verify_link(sha256, query)
    assert (grant.sha256, grant.media_type) == (sha256, "text/html")
    assert grant.filename == 'a "b"\n/ü.html'
    assert grant.headers["Content-Disposition"] == (
        "attachment; filename*=UTF-8''a%20%22b%22%0A%2F%C3%BC.html"
    )
    assert grant.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in grant.headers["Content-Security-Policy"]


async def test_a_link_ends(tmp_path: pathlib.Path) -> None:
    """Good until a moment before its end, refused from then on."""
    storage = local.LocalStorage(tmp_path)
    sha256, query = await linked(storage)
    end = datetime.datetime.fromtimestamp(int(query["expires"]), datetime.UTC)
    storage.verify_link(sha256, query, now=end - datetime.timedelta(seconds=1))
    assert "until" in refused(storage, sha256, query, now=end)


@pytest.mark.parametrize(
    "change",
    [
        {"expires": "99999999999"},
        {"expires": ""},
        {"expires": "1e10"},
        {"type": "text/plain"},
        {"name": "other"},
        {"signature": ""},
        {"signature": "0" * 64},
        {"signature": "ü\ud800"},
    ],
)
async def test_a_changed_link_is_refused(tmp_path: pathlib.Path, change: dict[str, str]) -> None:
    """No part of it can be changed, the end least of all."""
    storage = local.LocalStorage(tmp_path)
    sha256, query = await linked(storage)
    assert "signature" in refused(storage, sha256, query | change)


async def test_a_link_is_for_its_own_bytes(tmp_path: pathlib.Path) -> None:
    """The signature of one object opens no other, and none at all opens nothing."""
    storage = local.LocalStorage(tmp_path)
    _, query = await linked(storage)
    other, _ = await linked(storage, b"other")
    refused(storage, other, query)
    refused(storage, other, {})


async def test_another_installations_link_is_refused(tmp_path: pathlib.Path) -> None:
    """Equal bytes in two installations: each opens its own links only."""
    here, there = local.LocalStorage(tmp_path / "a"), local.LocalStorage(tmp_path / "b")
    sha256, query = await linked(here)
    await linked(there)
    here.verify_link(sha256, query)
    refused(there, sha256, query)


async def test_the_key_is_private_and_stays(tmp_path: pathlib.Path) -> None:
    """It is made at first use with mode 0600, and the next process reads the same."""
    assert not (tmp_path / "link.key").exists()
    sha256, query = await linked(local.LocalStorage(tmp_path))
    assert (tmp_path / "link.key").stat().st_mode & 0o777 == 0o600
    local.LocalStorage(tmp_path).verify_link(sha256, query)
    assert names(tmp_path) == ["incoming", "link.key", "pins", "sha256"]


def test_makers_of_the_key_agree(tmp_path: pathlib.Path) -> None:
    """However many begin at once, there is one key."""
    grant = links.grant("a" * 64, expires=QUARTER, media_type="text/csv", filename=None)
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        signers = [links.Signer(tmp_path / "link.key") for _ in range(16)]
        assert len(set(threads.map(lambda signer: signer.sign(grant), signers))) == 1


async def test_a_damaged_key_is_told(tmp_path: pathlib.Path) -> None:
    """A key of another length is never used; the message names the file and the way out."""
    (tmp_path / "link.key").write_bytes(b"")
    with pytest.raises(errors.Stalled) as caught:
        await linked(local.LocalStorage(tmp_path))
    assert caught.value.reason == "StorageUnavailable"
    assert "remove it" in caught.value.message
