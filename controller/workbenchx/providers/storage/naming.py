"""Names in storage, the same for every adapter: keys made of digests, and pins.

A pin's slashes are dots in its key. Names have no dots, so this is one to one; it keeps the order of names (`-`, then the
separator, then digits and letters), and a server that keeps objects as files can hold `a` beside `a/b`.
"""

import re

from workbenchx import errors, ports

OBJECTS, PINS = "sha256/", "pins/"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PIN = re.compile(r"[a-z0-9-]+(/[a-z0-9-]+)*")


def checked(sha256: str) -> str:
    """The digest.

    Raises:
        errors.Stalled: reason InvalidDigest.
    """
    if not _DIGEST.fullmatch(sha256):
        raise errors.Stalled(
            f'not a sha256: "{sha256[:80]}" (64 lower-case hex digits)', reason="InvalidDigest"
        )
    return sha256


def is_digest(text: str) -> bool:
    """Whether a name in the storage is one of ours."""
    return _DIGEST.fullmatch(text) is not None


def pin_file(name: str, data: bytes) -> str:
    """The last part of a pin's key.

    Raises:
        errors.Stalled: reason InvalidPath: the name is none, or the bytes are too many.
    """
    if not _PIN.fullmatch(name) or len(data) > ports.PIN_LIMIT:
        raise errors.Stalled(
            f'pin: "{name[:80]}" is no name of a pin, or {len(data)} bytes are too many',
            reason="InvalidPath",
        )
    return name.replace("/", ".")


def pin_name(file: str) -> str:
    """The pin of a last part of a key."""
    return file.replace(".", "/")


def blob(bucket: str, sha256: str, size: int) -> ports.Blob:
    """The pointer to an object of ours."""
    return ports.Blob(sha256=sha256, bytes=size, bucket=bucket, key=f"{OBJECTS}{sha256}")


def mismatch(found: str, expected: str) -> errors.Stalled:
    """What is said when bytes are not those that were promised."""
    return errors.Stalled(
        f"bytes differ from what was promised: sha256 {found}, expected {expected}",
        reason="DigestMismatch",
    )


def damaged(where: str, found: str) -> errors.Stalled:
    """What is said when the storage gives other bytes than it was given."""
    return errors.Stalled(
        f'artifact is damaged: "{where}" holds {found}; `wbx db verify` lists what is damaged',
        reason="DigestMismatch",
    )


def missing(sha256: str, where: str) -> errors.Stalled:
    """What is said when there are no such bytes."""
    return errors.Stalled(
        f'artifact is not there: "{sha256}": {where} has no such key', reason="ArtifactMissing"
    )
