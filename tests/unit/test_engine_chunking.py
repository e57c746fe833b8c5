"""Where texts are cut."""

import time

from workbenchx.engine import chunking

_SENTENCE = "The penguin swims in the cold sea and eats what it finds there. "


def bodies(text: str, *, prose: bool = True) -> list[str]:
    """The pieces' texts."""
    return [text[piece.start : piece.end] for piece in chunking.cut(text, prose=prose)]


def test_a_short_text_is_one_piece() -> None:
    """With the blanks around it cut off; nothing has no pieces."""
    assert bodies("\n\n  One. Two.\n") == ["One. Two."]
    assert bodies("") == bodies(" \n\t\u3000\n") == []


def test_sections_begin_pieces_and_name_their_headings() -> None:
    """A heading begins a piece once there is enough before it; a piece knows what it is under."""
    text = f"# Top\n\n{_SENTENCE * 6}\n\n## First\n{_SENTENCE * 6}\n\nSecond\n------\n{_SENTENCE * 6}\n"
    found = chunking.cut(text, prose=True)
    assert [piece.headings for piece in found] == [("Top",), ("Top", "First"), ("Top", "Second")]
    assert [piece.line for piece in found] == [1, 5, 8]
    assert [text[piece.start :][:8] for piece in found] == ["# Top\n\nT", "## First", "Second\n-"]


def test_small_sections_stay_together() -> None:
    """A list of short sections makes no piece of three words."""
    text = "".join(f"## {word}\nIs short.\n\n" for word in ("One", "Two", "Three"))
    assert len(bodies(text)) == 1


def test_code_has_no_headings() -> None:
    """What is fenced is not read as Markdown, nor is a line of YAML."""
    fenced = f"# Top\n{_SENTENCE * 6}\n~~~\n# not this\n```\n# nor this\n~~~\n# Next\nEnd.\n"
    assert [piece.headings for piece in chunking.cut(fenced, prose=True)] == [("Top",), ("Next",)]
    assert chunking.cut("# a comment\nkey: 1\n", prose=False)[0].headings == ()


def test_a_paragraph_is_kept_whole() -> None:
    """The cut is between paragraphs where that leaves enough, without an overlap."""
    first, second = (_SENTENCE * 9).strip(), (_SENTENCE * 8).strip()
    assert bodies(f"{first}\n\n{second}") == [first, second]


def test_a_divided_thought_overlaps() -> None:
    """Inside a long paragraph the next piece begins with the sentences that end the one before."""
    found = bodies(_SENTENCE * 40)
    assert len(found) > 2
    assert all(body.startswith("The penguin") and body.endswith("there.") for body in found)
    assert sum(map(len, found)) > len(_SENTENCE * 40)


def test_what_has_no_end_is_cut_at_a_blank() -> None:
    """A line of words without a full stop is cut between words; one without blanks, anywhere."""
    assert all(set(body.split()) == {"word"} for body in bodies("word " * 900))
    assert [len(body) for body in bodies("x" * 2500)] == [1000, 1000, 500]


def test_a_huge_text_takes_little_time() -> None:
    """A quarter of a mebibyte of one long line, of blanks, or of brackets: seconds, not minutes."""
    started = time.process_time()
    for text in (
        "x" * (1 << 16),
        ".)" * (1 << 17),
        "\n " * (1 << 17),
        "# a\n" * (1 << 16),
        _SENTENCE * (1 << 12),
    ):
        chunking.cut(text, prose=True)
    assert time.process_time() - started < 10
