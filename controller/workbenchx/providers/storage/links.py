"""Signed links to bytes of a local storage, served by the console as `GET /api/v1/blobs/{sha256}?…`.

A link carries its own end, media type and file name, and an HMAC-SHA256 over all of them by a key of this installation.
Whoever holds it reads those bytes until then, and nothing else. It is handed out after the pointer row was read as the
caller; the check here knows nothing of people.

For the console's route: `app.storage.verify_link(sha256, request.query_params)` answers a `Grant` or raises
`errors.Stalled(reason="LinkRefused")` (403); stream `app.storage.open(sha256)` with `grant.headers`.
"""

import contextlib
import dataclasses
import datetime
import hashlib
import hmac
import json
import os
import pathlib
import re
import secrets
import urllib.parse
from collections.abc import Mapping

from workbenchx import errors, ports

ROUTE = "/api/v1/blobs/"
_KEY_BYTES = 32
_EXPIRES = re.compile(r"[0-9]{1,11}")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")


@dataclasses.dataclass(frozen=True, slots=True)
class Grant:
    """What a valid link allows: these bytes, under that name, until then."""

    sha256: str
    media_type: str
    filename: str
    expires_at: datetime.datetime

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer: a file to keep, never a page of ours that runs what a user stored."""
        name = urllib.parse.quote(self.filename or self.sha256, safe="")
        return {
            "Content-Type": _UNPRINTABLE.sub("", self.media_type) or "application/octet-stream",
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
            "ETag": f'"{self.sha256}"',
        }


class Signer:
    """Makes and checks links with the key in the file `path`, which is made (mode 0600) at first use."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self._key: bytes | None = None

    def sign(self, grant: Grant) -> str:
        """The link, relative to the console."""
        expires = str(int(grant.expires_at.timestamp()))
        said = {"expires": expires, "type": grant.media_type, "name": grant.filename}
        query = urllib.parse.urlencode(said | {"signature": self._signature(grant.sha256, said)})
        return f"{ROUTE}{grant.sha256}?{query}"

    def check(self, sha256: str, query: Mapping[str, str], now: datetime.datetime) -> Grant:
        """What the link allows.

        Raises:
            errors.Stalled: reason LinkRefused: it is over, was changed, or was signed with another key.
        """
        said = {name: query.get(name, "") for name in ("expires", "type", "name")}
        expected = self._signature(sha256, said).encode()
        given = query.get("signature", "").encode("utf-8", "replace")
        if not hmac.compare_digest(expected, given) or not _EXPIRES.fullmatch(said["expires"]):
            raise _refused("its signature is wrong")
        expires_at = datetime.datetime.fromtimestamp(int(said["expires"]), datetime.UTC)
        if now >= expires_at:
            raise _refused(f"it was good until {expires_at:%Y-%m-%d %H:%M:%S} UTC")
        return Grant(sha256, said["type"], said["name"], expires_at)

    def _signature(self, sha256: str, said: Mapping[str, str]) -> str:
        what = ["workbenchx link 1", sha256, said["expires"], said["type"], said["name"]]
        return hmac.new(self._secret(), json.dumps(what).encode(), hashlib.sha256).hexdigest()

    def _secret(self) -> bytes:
        if self._key is None:
            self._key = _read(self._path)
        return self._key


def grant(
    blob: str, *, expires: datetime.timedelta, media_type: str, filename: str | None
) -> Grant:
    """A grant from now on.

    Raises:
        errors.Stalled: reason InvalidSpec, it would be over at once or good for too long.
    """
    if not datetime.timedelta(seconds=1) <= expires <= ports.LINK_LIMIT:
        raise errors.Stalled(
            f'link: it cannot be good for "{expires}": give one second to {ports.LINK_LIMIT.days} days',
            reason="InvalidSpec",
        )
    until = datetime.datetime.now(datetime.UTC) + expires
    return Grant(blob, media_type, filename or "", until.replace(microsecond=0))


def _refused(why: str) -> errors.Stalled:
    return errors.Stalled(f"link is refused: {why}; ask for a new one", reason="LinkRefused")


def _read(path: pathlib.Path) -> bytes:
    try:
        return _checked(path, path.read_bytes())
    except FileNotFoundError:
        return _made(path)
    except OSError as problem:
        raise _unusable(path, problem.strerror or "") from problem


def _made(path: pathlib.Path) -> bytes:
    """A new key, whole or not at all; of several makers the first one's counts for all."""
    draft = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            os.write(descriptor, secrets.token_bytes(_KEY_BYTES))
            os.fsync(descriptor)
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            os.close(descriptor)
            draft.unlink()
        return _checked(path, path.read_bytes())
    except OSError as problem:
        raise _unusable(path, problem.strerror or "") from problem


def _checked(path: pathlib.Path, key: bytes) -> bytes:
    if len(key) != _KEY_BYTES:
        raise _unusable(path, "it is damaged; remove it, and links that were handed out end")
    return key


def _unusable(path: pathlib.Path, why: str) -> errors.Stalled:
    return errors.Stalled(
        f'key of signed links is not usable: "{path}": {why}', reason="StorageUnavailable"
    )
