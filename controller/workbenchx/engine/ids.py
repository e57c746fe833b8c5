"""Identifiers that the engine makes."""

import os
import time
import uuid

_VERSION_7 = 0x7000
_VARIANT = 0x8000


def run_id() -> str:
    """A UUIDv7 (RFC 9562): sorts by time of making."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    high = (milliseconds << 16) | _VERSION_7 | (random >> 68)
    low = (_VARIANT << 48) | (random & ((1 << 62) - 1))
    return str(uuid.UUID(int=(high << 64) | low))


def resource_uid() -> str:
    """A new resource's uid: a UUIDv4, spelled here because there may be thousands at once."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def sandbox_name(installation: str, uid: str, attempt: int) -> str:
    """The deterministic name of one attempt's sandbox: `wbx-<installation8>-<resource8>-<attempt>`."""
    return f"wbx-{installation.replace('-', '')[:8]}-{uid.replace('-', '')[:8]}-{attempt}"
