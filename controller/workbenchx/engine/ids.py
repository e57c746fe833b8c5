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
    """A new resource's uid."""
    return str(uuid.uuid4())


def sandbox_name(installation: str, uid: str, attempt: int) -> str:
    """The deterministic name of one attempt's sandbox: `wbx-<installation8>-<resource8>-<attempt>`."""
    return f"wbx-{installation.replace('-', '')[:8]}-{uid.replace('-', '')[:8]}-{attempt}"
