"""Laws of cutting: whatever the text, nothing is lost, nothing is too long, and the same comes out again."""

import itertools
import unicodedata

import hypothesis
from hypothesis import strategies as st

from workbenchx.engine import chunking

_WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
_PARTS = st.one_of(
    _WORDS,
    st.sampled_from(
        [
            "\n", "\n\n", "\r\n", " ", ". ", "# One\n", "## Two ##\n", "Title\n=====\n", "```\n", "- item\n",
            "a" * 1500, "word " * 300, "e\u0301" * 700, "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 300,
            "\U0001f1eb\U0001f1ee" * 600, "\u0301" * 1200, "。" * 5, " \t" * 700, "A sentence of some words. " * 60,
        ]
    ),
)  # fmt: skip
_TEXTS = st.lists(_PARTS, max_size=25).map("".join)


@hypothesis.given(_TEXTS, st.booleans())
@hypothesis.settings(deadline=None)
def test_pieces_hold_everything(text: str, prose: bool) -> None:
    """What is in no piece is blank; pieces go forward, are no longer than SIZE, and begin and end with something."""
    pieces = chunking.cut(text, prose=prose)
    covered = 0
    for piece in pieces:
        body = text[piece.start : piece.end]
        assert 0 < len(body) <= chunking.SIZE
        assert body == body.strip()
        assert text[covered : piece.start].strip() == ""
        assert piece.line == text.count("\n", 0, piece.start) + 1
        covered = max(covered, piece.end)
    assert text[covered:].strip() == ""
    for one, next_one in itertools.pairwise(pieces):
        assert one.start < next_one.start
        assert one.end < next_one.end
        assert one.end - next_one.start <= chunking.SIZE // 2
    assert chunking.cut(text, prose=prose) == pieces


@hypothesis.given(st.text(st.sampled_from("aé\u0301\u0323 \n"), max_size=4000), st.booleans())
@hypothesis.settings(deadline=None, max_examples=50)
def test_no_letter_is_cut(text: str, prose: bool) -> None:
    """A mark stays with its letter, unless a letter has more marks than a piece has room for."""
    for piece in chunking.cut(text, prose=prose):
        mark = unicodedata.combining(text[piece.start])
        assert not mark or piece.start == 0 or text[piece.start - 1].isspace()
