"""Secrets written into a document: found by the name of their field and by the shape of well-known tokens.

Nothing here, and nothing that is made of it, repeats a value.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from workbenchx.api.shapes import confidential
from workbenchx.declared import problem

_REFERENCE = frozenset({"secret", "key", "env", "file"})
_WHOLE = frozenset(
    {"secret", "key"}
)  # of a provider's `credentials` these would be names, of a Source's it is the reference
_MARKERS = (
    b"AKIA",
    b"AIza",
    b"gh",
    b"glpat-",
    b"sk-",
    b"xox",
    b"eyJ",
    b"PRIVATE KEY",
    b"dop_v1_",
    b"hf_",
    b"sbp_",
    b"@",
)
_WORDS = (b"token", b"secret", b"pass", b"pwd", b"key", b"credential")
_TOKEN = re.compile(
    r"\bAKIA[0-9A-Z]{16}\b|\bAIza[\w-]{35}|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{22,}|\bglpat-[\w-]{20,}"
    r"|\bsk-[A-Za-z0-9_-]{20,}|\bxox[abprs]-[A-Za-z0-9-]{10,}|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----|\bdop_v1_[0-9a-f]{64}|\bhf_[A-Za-z0-9]{30,}|\bsbp_[0-9a-f]{40}"
    r"|://[^/\s:@]*:[^/\s@]+@"
)
_PLACEHOLDER = re.compile(r"\$\{[^}]*\}")


def suspicious(data: bytes) -> bool:
    """Whether a file has to be looked at closely. Cheap; True for many innocent files, False for no guilty one."""
    for marker in _MARKERS:
        if marker in data:
            return True
    lower = data.lower()
    for word in _WORDS:  # noqa: SIM110 # runs for every file; a generator would double its time
        if word in lower:
            return True
    return False


def is_secret(value: object) -> bool:
    """Whether a value has the shape of a well-known token, key, or URL with a password."""
    return isinstance(value, str) and _TOKEN.search(value) is not None


def on_secret_path(path: tuple[str | int, ...]) -> bool:
    """Whether the value at this path must not be repeated, whatever it looks like."""
    return any(
        isinstance(part, str) and (part == "env" or confidential.names_secret(part))
        for part in path
    )


def flaws(value: Any, path: tuple[str | int, ...] = ("spec",)) -> Iterator[problem.Flaw]:
    """Every inline secret under `value`."""
    if isinstance(value, Mapping):
        yield from _of_mapping(value, path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from flaws(item, (*path, index))
    elif is_secret(value):
        yield problem.Flaw(path, "holds a secret", confidential.HINT)


def _of_mapping(value: Mapping[str, Any], path: tuple[str | int, ...]) -> Iterator[problem.Flaw]:
    named = value.get("name")
    reference = value.keys() == _WHOLE or (
        path[-1] != "credentials" and _REFERENCE.issuperset(value)
    )
    for key, item in value.items():
        here = (*path, key)
        owner = named if key == "value" and isinstance(named, str) else key
        if (
            isinstance(item, str)
            and not reference
            and confidential.names_secret(owner)
            and _literal(item)
        ):
            yield problem.Flaw(here, "holds a secret", confidential.HINT)
        else:
            yield from flaws(item, here)


def _literal(text: str) -> bool:
    """Whether there is more to the text than placeholders of a template."""
    return bool(_PLACEHOLDER.sub("", text))
