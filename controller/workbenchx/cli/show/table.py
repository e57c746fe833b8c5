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
    *inner, last = zip(*[[(header, "faint") for header in headers], *cells], strict=True)
    room = None if width is None else width - len(_GAP) * len(inner)
    sides = []
    for column in inner:
        different = list(dict.fromkeys(column))  # of thousands of cells in most columns a few
        takes, wide = _measured(different)
        painted = {
            cell: paint.paint(*cell) + " " * (wide - own)
            for cell, own in zip(different, takes, strict=True)
        }
        sides.append([painted[cell] for cell in column])
        room = None if room is None else room - wide
    sides.append(_cut(last, room, paint))
    return "\n".join([_GAP.join(line).rstrip() for line in zip(*sides, strict=True)])


def _cut(column: Sequence[Cell], room: int | None, paint: style.Style) -> list[str]:
    different = dict.fromkeys(column)
    wide = _measured(list(different))[1]
    limit = wide if room is None else min(wide, max(8, room))
    cut = {
        (text, tone): paint.paint(clip(text, limit), tone) if text else ""
        for text, tone in different
    }
    return [cut[cell] for cell in column]


def _measured(column: Sequence[Cell]) -> tuple[list[int], int]:
    """The columns that each cell takes, and the most of them."""
    texts = [text for text, _ in column]
    sure = not _UNSURE.search("".join(texts))
    takes = list(map(len if sure else columns, texts))
    return takes, max(takes)


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
