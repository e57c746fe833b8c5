"""SQL text into its statements, as the migration history records them."""

import re

_TOKEN = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$|;", re.DOTALL
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
