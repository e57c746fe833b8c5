"""One spelling for one value: canonical JSON and its digest.

Keys sorted, no white space, UTF-8 as it is. A number keeps its type (1 and 1.0 differ: they were written
differently). What JSON cannot say (dates, NaN, non-text keys) is refused, so a hash never depends on a guess.
"""

import hashlib
import json
from typing import Any


def text(value: Any) -> str:
    """Canonical JSON of plain data (dict with text keys, list, str, int, float, bool, None).

    Raises:
        TypeError: the value holds something that JSON has no form for.
        ValueError: the value holds NaN or an infinity, or text that is not Unicode.
    """
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )


def encode(value: Any) -> bytes:
    """The same in UTF-8."""
    return text(value).encode()


def digest(value: Any) -> str:
    """The sha256 (64 hex digits) of the canonical JSON; of a spec, this is its `declared_hash`."""
    return digest_of(text(value))


def digest_of(written: str) -> str:
    """The same of what `text` wrote."""
    return hashlib.sha256(written.encode()).hexdigest()
