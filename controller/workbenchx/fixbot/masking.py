"""Secrets out of a text that goes to somebody else: known values in every spelling, and what looks like one.

What nobody declared and what looks like nothing cannot be told from other words: see decision 190.
"""

import base64
import json
import re
import urllib.parse
from collections.abc import Collection, Iterator

MASK = "(secret)"
SHORTEST = 4
"""A secret of fewer characters cannot be covered: it would be found everywhere."""

_LOOKS = re.compile(
    r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|sk-[\w-]{16,}|hf_[A-Za-z0-9]{20,}"
    r"|A(?:KIA|SIA)[A-Z0-9]{12,}|AIza[\w-]{30,}|xox[abprs]-[\w-]{10,}|dop_v1_\w{20,}"
    r"|eyJ[\w-]{10,}\.[\w-]{10,}(?:\.[\w-]*)?"
)
_KEY = re.compile(
    r"(?:-----BEGIN [A-Z ]*PRIVATE KEY-----.*?|\A(?:(?!-----BEGIN ).)*?)-----END [A-Z ]*PRIVATE KEY-----"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*\Z",
    re.DOTALL,
)
_IN_URL = re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)")
_SCHEME = re.compile(r"\b((?:bearer|basic|token)\s+)[\w.+/=~-]{6,}", re.IGNORECASE)
_NAMED = re.compile(
    r"([\w.-]*(?:token|secret|passw(?:or)?d|pwd|api[_-]?key|access[_-]?key|private[_-]?key|credential)[\w.-]*"
    r"[\"']?\s*[:=]\s*)(\"[^\"\n]*\"?|'[^'\n]*'?|[^\s\"',;]+)",
    re.IGNORECASE,
)


def log(data: bytes, secrets: Collection[str], most: int, *, begun: bool) -> str:
    """The end of a program's output, masked, of at most so many characters. `begun`: the data is all of it from the start.

    A secret that begins before the data does is not shown either: as much as the longest one is left out there.
    """
    text = data.decode(errors="replace")
    if not begun:
        longest = max(
            (len(spelling) for value in secrets for spelling in _spellings(value)), default=0
        )
        text = text[longest:]
    return masked(text, secrets, names=True)[-most:]


def masked(text: str, secrets: Collection[str] = (), *, names: bool = False) -> str:
    """The text without secrets. `names`: what is written beside a name that says secret is covered too."""
    spelled = {spelling for value in secrets for spelling in _spellings(value)}
    for spelling in sorted(spelled, key=lambda each: (-len(each), each)):
        text = text.replace(spelling, MASK)
    text = _KEY.sub(MASK, text)
    text = _LOOKS.sub(MASK, text)
    text = _IN_URL.sub(MASK, text)
    text = _SCHEME.sub(rf"\1{MASK}", text)
    return _NAMED.sub(rf"\1{MASK}", text) if names else text


def _spellings(value: str) -> Iterator[str]:
    """A value as programs print it: bare, each line of it, escaped, encoded."""
    for each in {value, value.strip(), *value.splitlines()}:
        if len(each.strip()) >= SHORTEST:
            data = each.encode()
            yield each
            yield each.strip()
            yield json.dumps(each)[1:-1]
            yield repr(each)[1:-1]
            yield urllib.parse.quote(each, safe="")
            yield urllib.parse.quote_plus(each)
            yield from (base64.b64encode(data).decode().rstrip("="), data.hex())
            yield base64.urlsafe_b64encode(data).decode().rstrip("=")
