"""SQL text into its statements, as the migration history records them."""

import re

_TOKEN = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$|;", re.DOTALL
)
_CONCURRENT = re.compile(
    r"(?:create\s+(?:unique\s+)?index|drop\s+index|reindex\s+(?:index|table))\s+concurrently\b",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"\A(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)+", re.DOTALL)


def split(text: str) -> list[str]:
    """The statements without their semicolons; quotes, dollar quotes and comments are respected."""
    pieces, begin = [], 0
    for token in _TOKEN.finditer(text):
        if token[0] == ";":
            pieces.append(text[begin : token.start()])
            begin = token.end()
    pieces.append(text[begin:])
    return [piece.strip() for piece in pieces if _COMMENT.sub("", piece).strip()]


def concurrent(text: str) -> bool:
    """Whether it is one statement that builds or drops an index beside its readers and writers: no transaction may hold it."""
    found = split(text)
    return len(found) == 1 and _CONCURRENT.match(_COMMENT.sub("", found[0])) is not None
