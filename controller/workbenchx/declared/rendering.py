"""Plain data as YAML text, for splicing into a file.

Text stays unquoted only where every YAML reader takes it for text: `no`, `1_000` and `2025-01-01` are quoted.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx.declared import plain

_SAFE = re.compile(
    r"[A-Za-z_/][A-Za-z0-9_./@+()=-]*( [A-Za-z0-9_./@+()=-]+)*|[0-9]+[A-Za-z][A-Za-z0-9]*"
)
_STEP = 2


def scalar(value: Any, style: str = "") -> str:
    """A scalar on one line. Text takes the quotes of `style` if that is ' or " and fits."""
    if not isinstance(value, str):
        return json.dumps(value, allow_nan=False)
    if style == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    if style != '"' and _SAFE.fullmatch(value) and plain.value(value) == value:
        return value
    return '"' + "".join(map(_escaped, value)) + '"'


def flow(value: Any) -> str:
    """Any value on one line."""
    if isinstance(value, Mapping):
        fields = [f"{scalar(key)}: {flow(item)}" for key, item in value.items()]
        return "{" + ", ".join(fields) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return scalar(value)


def field(key: str, value: Any, indent: int) -> list[str]:
    """The lines of `key: value` in block style."""
    lead = f"{' ' * indent}{scalar(key)}:"
    if not _nests(value):
        return [f"{lead} {flow(value)}"]
    return [lead, *block(value, indent + _STEP)]


def item(value: Any, indent: int) -> list[str]:
    """The lines of `- value` in block style."""
    if not _nests(value):
        return [f"{' ' * indent}- {flow(value)}"]
    first, *rest = block(value, indent + _STEP)
    return [f"{' ' * indent}- {first.lstrip()}", *rest]


def block(value: Mapping[str, Any] | Sequence[Any], indent: int) -> list[str]:
    """The lines of a mapping or list that is not empty, in block style."""
    if isinstance(value, Mapping):
        return [line for key, inner in value.items() for line in field(key, inner, indent)]
    return [line for inner in value for line in item(inner, indent)]


def _nests(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple) and bool(value)


def _escaped(sign: str) -> str:
    """A character inside double quotes. JSON's pairs of surrogates are no YAML."""
    if sign.isprintable():
        return json.dumps(sign, ensure_ascii=False)[1:-1]
    return f"\\U{ord(sign):08X}" if ord(sign) > 0xFF else f"\\x{ord(sign):02X}"
