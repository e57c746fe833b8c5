"""Durations, memory, CPU and money as people write them, read into numbers.

The models keep the text as written; code that computes calls these. A ValueError says what would be right.
"""

import decimal
import math
import re

DURATION_PATTERN = r"^([1-9][0-9]{0,8}d)?([1-9][0-9]{0,8}h)?([1-9][0-9]{0,8}m)?([1-9][0-9]{0,8}s)?$"
MEMORY_PATTERN = r"^[1-9][0-9]{0,14}(Ki|Mi|Gi|Ti|k|M|G|T)$"
CPU_PATTERN = (
    r"^([1-9][0-9]{0,6}m|[1-9][0-9]{0,3}(\.[0-9]{1,3})?|0\.([1-9][0-9]{0,2}|0[1-9][0-9]?|00[1-9]))$"
)

DURATION_RIGHT = 'a duration such as "90s", "1h30m" or "7d"'
MEMORY_RIGHT = 'a size with a unit such as "512Mi" or "4Gi"'
CPU_RIGHT = 'CPU cores such as 2, "0.5" or "500m"'

_DURATION = re.compile(DURATION_PATTERN)
_MEMORY = re.compile(r"^([1-9][0-9]{0,14})(Ki|Mi|Gi|Ti|k|M|G|T)$")
_CPU = re.compile(CPU_PATTERN)
_SECONDS = (86400, 3600, 60, 1)
_BYTES = {
    "Ki": 1 << 10,
    "Mi": 1 << 20,
    "Gi": 1 << 30,
    "Ti": 1 << 40,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
}


def duration(text: str) -> float:
    """Seconds of a duration: parts of d, h, m, s, largest first, each at most once, none zero ("1h30m").

    Raises:
        ValueError: it is not a duration.
    """
    match = _DURATION.fullmatch(text)
    if not match or not text:
        raise ValueError(f'"{text}" is not {DURATION_RIGHT}')
    parts = zip(match.groups(), _SECONDS, strict=True)
    return float(sum(int(part[:-1]) * seconds for part, seconds in parts if part))


def memory(text: str) -> int:
    """Bytes of a size: a whole number and a unit (Ki Mi Gi Ti: powers of 1024; k M G T: powers of 1000).

    Raises:
        ValueError: it is not a size.
    """
    match = _MEMORY.fullmatch(text)
    if not match:
        raise ValueError(f'"{text}" is not {MEMORY_RIGHT}')
    return int(match[1]) * _BYTES[match[2]]


def cpu(value: str | int) -> float:
    """Cores: a whole number, or text that is a decimal number or thousandths ("500m").

    Raises:
        ValueError: it is not an amount of CPU, or it is zero.
    """
    text = str(value)
    if isinstance(value, bool) or not _CPU.fullmatch(text):
        raise ValueError(f'"{text}" is not {CPU_RIGHT}')
    cores = int(text[:-1]) / 1000 if text.endswith("m") else float(text)
    if cores <= 0:
        raise ValueError(f'"{text}" is not {CPU_RIGHT}')
    return cores


def money(value: float) -> decimal.Decimal:
    """USD, exactly as written (0.1 is one tenth, not its nearest binary fraction).

    Raises:
        ValueError: it is negative or not finite.
    """
    if not math.isfinite(value) or value < 0:
        raise ValueError(f'"{value}" is not an amount of USD such as 25 or 0.128')
    return decimal.Decimal(str(value))
