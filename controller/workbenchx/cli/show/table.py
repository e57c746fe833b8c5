"""Columns that line up."""

import functools
import re
import unicodedata
from collections.abc import Sequence

from workbenchx.cli.show import style

Cell = tuple[str, str]
_GAP = "  "
# Letters, dashes and box drawing take one column each; of anything else it has to be asked.
_UNSURE = re.compile("[^\x00-\u02ff\u2010-\u2027\u2500-\u257f]")


def render(
    headers: Sequence[str],
    rows: Sequence[Sequence[Cell | str]],
    paint: style.Style,
    *,
    width: int | None = None,
) -> str:
    """A table; a cell is text or (text, tone). The last column is cut where the line would pass `width`."""
    cells = [[cell if isinstance(cell, tuple) else (cell, "plain") for cell in row] for row in rows]
    lines = [[(header, "faint") for header in headers], *cells]
    widths = [max([columns(line[at][0]) for line in lines]) for at in range(len(headers))]
    if width is not None:
        used = sum(widths[:-1]) + len(_GAP) * (len(widths) - 1)
        widths[-1] = min(widths[-1], max(8, width - used))
    return "\n".join(_line(line, widths, paint) for line in lines)


def _line(line: Sequence[Cell], widths: Sequence[int], paint: style.Style) -> str:
    parts = [
        paint.paint(text, tone) + " " * (width - columns(text))
        for (text, tone), width in zip(line[:-1], widths, strict=False)
    ]
    text, tone = line[-1]
    parts.append(paint.paint(clip(text, widths[-1]), tone) if text else "")
    return _GAP.join(parts).rstrip()


def columns(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    if text.isascii() or not _UNSURE.search(text):
        return len(text)
    return sum(_columns(character) for character in text)


@functools.lru_cache(maxsize=4096)
def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def clip(text: str, width: int) -> str:
    """`text` in at most `width` columns, with an ellipsis where something is missing."""
    if columns(text) <= width:
        return text
    kept = ""
    for character in text:
        if columns(kept) + _columns(character) > width - 1:
            break
        kept += character
    return kept + "…"


def safe(text: str) -> str:
    """One line without control characters: recorded text may come from a user's program."""
    return safe_line(" ".join(text.split())) if text else ""


def safe_line(text: str) -> str:
    """The same, with its blanks as they are."""
    return "".join(c if c.isprintable() else " " for c in text)
