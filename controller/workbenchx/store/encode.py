"""Python data into the JSON that Postgres accepts.

One JSON text carries all rows of a bulk statement. Postgres refuses what Python allows: NUL characters, lone
surrogates, NaN and infinities. A diverged training run must not stop the engine, so these are replaced.
"""

import datetime
import decimal
import json
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def document(value: Any) -> str:
    """JSON text that a jsonb column takes."""
    try:
        text = _ENCODER.encode(value)
    except ValueError:
        text = _ENCODER.encode(_finite(value))
    return cleaned(text)


def cleaned(text: str) -> str:
    """JSON text without what Postgres refuses."""
    if "\\u0000" in text:
        text = _NUL.sub("\\1\ufffd", text)
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return text


def text(value: str) -> str:
    """Text that a text column takes."""
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _default(value: Any) -> Any:
    match value:
        case Mapping():
            return dict(value)
        case decimal.Decimal() | uuid.UUID():
            return str(value)
        case datetime.datetime() | datetime.date():
            return value.isoformat()
        case set() | frozenset() | Sequence():
            return list(value)
    raise TypeError(f'database: a value of type "{type(value).__name__}" cannot be recorded')


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_default
)


def _finite(value: Any) -> Any:
    """NaN and infinities as text: nothing is lost, and nothing pretends to be a number."""
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case Mapping():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
    return value


def merged(facts: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Facts to set, and names of facts to remove (those whose value is None)."""
    return (
        {name: value for name, value in facts.items() if value is not None},
        [name for name, value in facts.items() if value is None],
    )
