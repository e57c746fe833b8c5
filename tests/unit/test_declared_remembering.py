"""Files that are read again and again."""

import declared_files as files

from workbenchx.declared import reading, remembering

GOOD, OTHER = files.job("a").encode(), files.job("b").encode()


def test_what_is_the_same_is_not_read_again() -> None:
    """By its path and its bytes; what changed, came, or is broken is read as ever."""
    kept = remembering.Files()
    first = {path: kept(path, data) for path, data in {"a": GOOD, "b": OTHER}.items()}
    kept.turn(10)

    assert kept("a", GOOD) is first["a"]
    assert kept("b", GOOD) == reading.file("b", GOOD)
    assert kept("c", b"x: [") == reading.file("c", b"x: [")


def test_what_left_the_set_is_forgotten() -> None:
    """And so is all of a set that is too large to keep, or was not read to its end."""
    kept = remembering.Files()
    first = kept("a", GOOD)
    assert kept("a", GOOD) is not first
    kept.turn(10)
    kept("b", OTHER)
    kept.turn(10)
    again = kept("a", GOOD)
    assert again is not first
    kept.turn(0)
    assert kept("a", GOOD) is not again
