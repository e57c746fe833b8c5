"""What an unquoted YAML scalar means.

As `kubectl` reads it (sigs.k8s.io/yaml), because a file here is exactly what `kubectl apply` takes: y, yes, on and their
opposites are booleans; a leading zero means octal; a date is text; 1_000 is a number; 2.0 is 2, as the API server gives it
back, so that a file and its object have one hash. Where people commonly mean something else, a doubt is returned beside
the value. What JSON cannot hold (.inf, .nan, numbers out of range) is refused.
"""

import re
from typing import Any

_TRUE = ("y", "yes", "true", "on")
_FALSE = ("n", "no", "false", "off")


def _spellings(words: tuple[str, ...], value: Any) -> dict[str, Any]:
    return {form: value for word in words for form in (word, word.capitalize(), word.upper())}


WORDS: dict[str, Any] = {
    **_spellings(_TRUE, value=True),
    **_spellings(_FALSE, value=False),
    **_spellings(("null",), value=None),
    "~": None,
    "": None,
}
"""Scalars that are neither text nor numbers."""

FIRST = frozenset("0123456789+-.~yYnNtTfFoO<=")
"""A non-empty plain scalar that starts with none of these is text."""

_PLAIN_WORDS = frozenset({*_spellings(("true", "false", "null"), value=0), "~", ""})
_UNUSUAL = frozenset(WORDS) - _PLAIN_WORDS
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_BASED = re.compile(
    r"([-+]?)(?:0[xX]([0-9a-fA-F_]+)|0[bB]([01_]+)|0[oO]([0-7_]+)|0([0-7_]+))",
)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_JSON = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LONGEST = 400
_EXPONENT = 1e21  # from here on, JSON writes a number with an exponent


class Refused(ValueError):
    """The scalar has no meaning here; the text says what would be right."""


def value(text: str) -> Any:
    """The value of a plain scalar.

    Raises:
        Refused: JSON cannot hold it.
    """
    if text in WORDS:
        return WORDS[text]
    if text[0] not in "0123456789+-." or text in {"+", "-", "."}:
        return text
    if len(text) > _LONGEST:
        return _long(text)
    return _number(text)


def doubt(text: str) -> str | None:
    """What may surprise the writer about a plain scalar, as a hint; None: nothing."""
    if text in _UNUSUAL:
        return f'`{text}` is read as {str(WORDS[text]).lower()}; write that, or "{text}" in quotes'
    match = _BASED.fullmatch(text)
    if match and match[5]:
        return (
            f'`{text}` is read as the octal number {value(text)}; write that, or "{text}" in quotes'
        )
    return None


def _number(text: str) -> Any:
    if _NOT_JSON.fullmatch(text):
        raise Refused(f'`{text}` is not a finite number; for the text write "{text}" in quotes')
    if _DECIMAL.fullmatch(text):
        return _bounded(int(text.replace("_", "")), text)
    match = _BASED.fullmatch(text)
    if match:
        return _bounded(_based(match), text)
    if _FLOAT.fullmatch(text.replace("_", "")):
        return _finite(text.replace("_", ""))
    return text


def _based(match: re.Match[str]) -> int:
    sign, *digits = match.groups()
    for found, base in zip(digits, (16, 2, 8, 8), strict=True):
        clean = (found or "").replace("_", "")
        if clean:
            return int(clean, base) * (-1 if sign == "-" else 1)
    return 0


def _bounded(number: int, text: str) -> int:
    if -(2**63) <= number < 2**63:
        return number
    raise Refused(f'`{text[:40]}` does not fit in 64 bits; for the text write it in quotes "…"')


def _finite(text: str) -> int | float:
    number = float(text)
    if number - number == 0:
        return int(number) if number.is_integer() and abs(number) < _EXPONENT else number
    raise Refused(f"`{text[:40]}` is too large a number; for the text write it in quotes")


def _long(text: str) -> str:
    if _FLOAT.fullmatch(text.replace("_", "")):
        raise Refused(f"`{text[:40]}…` is too large a number; for the text write it in quotes")
    return text
