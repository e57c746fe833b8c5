"""Text into pieces small enough to be one thought each: pure, the same for the same text.

A piece is a slice of the text, with blanks at its ends cut off; together the pieces hold everything that is not blank.
Pieces end where a section, else a paragraph, else a sentence or line ends; only what has none of these in `SIZE`
characters is cut at a blank, or anywhere but inside a letter with its marks. Where one thought is divided, the next
piece begins with the end of the one before.
"""

import dataclasses
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

RECIPE = "1"
SIZE = 1000
OVERLAP = 150
_ENOUGH = SIZE // 4
_PLAIN_END = re.compile(r"\n")
_PROSE_END = re.compile(
    r"[.!?][)\"'”’\]]*\s+|[。！？]|\n(?=[ \t]*(?:[-*+>|#]|\d+[.)][ \t]))|\n\s*\n"
)
_LINE = re.compile(r"[^\n]*\n?")
_HASHES = re.compile(r"(#{1,6})[ \t]+(\S.*)")
_UNDERLINE = re.compile(r"(?:={3,}|-{3,}|~{3,}|\^{3,})[ \t]*\r?")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_JOINERS = frozenset("\u200d\ufe0e\ufe0f")


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """`text[start:end]`, the line in which it begins, and the headings that it is under, outermost first."""

    start: int
    end: int
    line: int
    headings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class _Unit:
    """What is not divided: a sentence or a line. `section`, `paragraph`: it is the first of one."""

    start: int
    end: int
    headings: tuple[str, ...]
    section: bool
    paragraph: bool


def cut(text: str, *, prose: bool) -> list[Piece]:
    """The pieces of a text, in order. `prose`: it has headings and sentences; else lines (YAML)."""
    pieces: list[Piece] = []
    line, counted = 1, 0
    for group in _groups(_units(text, prose=prose)):
        start = group[0].start
        line += text.count("\n", counted, start)
        counted = start
        pieces.append(Piece(start, group[-1].end, line, group[0].headings))
    return pieces


def _groups(units: Iterable[_Unit]) -> Iterator[list[_Unit]]:
    """As many units as fit; a section begins a group of its own once there is enough before it."""
    held: list[_Unit] = []
    for unit in units:
        if held and unit.section and held[-1].end - held[0].start >= _ENOUGH:
            yield held
            held = []
        elif held and unit.end - held[0].start > SIZE:
            at = _divide(held, unit)
            yield held[:at] if at < len(held) and held[at].paragraph else held
            held = held[at:]
        held.append(unit)
    if held:
        yield held


def _divide(held: Sequence[_Unit], unit: _Unit) -> int:
    """Which of the held units come again before `unit`: the last paragraph that is long enough, else an overlap."""
    if unit.paragraph:
        return len(held)
    fits = [at for at in range(1, len(held)) if unit.end - held[at].start <= SIZE]
    begins = [at for at in fits if held[at].paragraph and _length(held[:at]) >= SIZE // 2]
    if begins:
        return begins[-1]
    overlaps = [at for at in fits if _length(held[at:]) <= OVERLAP]
    return overlaps[0] if overlaps else len(held)


def _length(held: Sequence[_Unit]) -> int:
    return held[-1].end - held[0].start


def _units(text: str, *, prose: bool) -> Iterator[_Unit]:
    ends = _PROSE_END if prose else _PLAIN_END
    for first, last, headings in _sections(text) if prose else [(0, len(text), ())]:
        before = None
        for start, end in _spans(text, first, last, ends):
            apart = before is None or text.count("\n", before, start) > 1
            yield _Unit(start, end, headings, section=before is None, paragraph=apart)
            before = end


def _spans(text: str, first: int, last: int, ends: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Sentences or lines, without the blanks around them, none longer than `SIZE`."""
    edges = [first, *(match.end() for match in ends.finditer(text, first, last)), last]
    for begin, stop in itertools.pairwise(edges):
        start = begin
        while start < stop:
            start += len(text[start:stop]) - len(text[start:stop].lstrip())
            end = stop if stop - start <= SIZE else _cut_before(text, start + SIZE, start)
            end = start + len(text[start:end].rstrip())
            if end > start:
                yield start, end
            start = max(end, start + 1)


def _cut_before(text: str, limit: int, start: int) -> int:
    """Where to cut what has no end in time: at the last blank, else between two letters; never before `start`."""
    blank = max(text.rfind(" ", start, limit), text.rfind("\n", start, limit))
    if blank > start:
        return blank
    at = limit
    while at > start + 1 and _joined(text[at - 1], text[at]):
        at -= 1
    return at if at > start + 1 else limit


def _joined(left: str, right: str) -> bool:
    """Whether two characters are one letter to the eye: marks, joiners, skin tones, the halves of a flag."""
    return (
        unicodedata.category(right).startswith("M")
        or left == "\u200d"
        or right in _JOINERS
        or "\U0001f3fb" <= right <= "\U0001f3ff"
        or ("\U0001f1e6" <= left <= "\U0001f1ff" and "\U0001f1e6" <= right <= "\U0001f1ff")
    )


def _sections(text: str) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Start, end and headings of each section; what is fenced has no headings."""
    titles: list[tuple[int, str]] = []
    start = 0
    for at, level, title in _headings(text):
        yield start, at, tuple(title for _, title in titles)
        titles = [each for each in titles if each[0] < level] + [(level, title)]
        start = at
    yield start, len(text), tuple(title for _, title in titles)


def _headings(text: str) -> Iterator[tuple[int, int, str]]:
    """Where each heading is, its level, its words."""
    fence = ""
    before = ""
    for match in _LINE.finditer(text):
        line = match[0].rstrip("\r\n")
        mark = _FENCE.match(line)
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        elif not fence and (found := _HASHES.fullmatch(line)):
            yield match.start(), len(found[1]), found[2].strip().rstrip("#").strip()
        elif not fence and _is_title(before) and _UNDERLINE.fullmatch(line):
            yield match.start() - len(before), 1 if line[0] == "=" else 2, before.strip()
        before = match[0]


def _is_title(line: str) -> bool:
    """Whether a line of strokes under this one would make a heading of it."""
    return bool(line.strip()) and not _HASHES.fullmatch(line.rstrip("\r\n"))
