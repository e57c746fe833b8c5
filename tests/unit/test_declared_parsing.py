"""YAML text into plain data: what is read, what is refused, and where."""

import time

import declared_files
import pytest

from workbenchx.declared import building, parsing, plain


def read(text: str) -> parsing.Parsed:
    """What stands in a text."""
    return parsing.read(text.encode())


def places(text: str) -> list[tuple[int, int, str]]:
    """Line, column and text of every fault."""
    parsed = read(text)
    faults = [*parsed.faults, *(fault for raw in parsed.documents for fault in raw.faults)]
    return sorted((*parsing.place(text, fault.char), fault.text) for fault in faults)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("n", False),
        ("Off", False),
        ("True", True),
        ("~", None),
        ("null", None),
        ("12", 12),
        ("-7", -7),
        ("+7", 7),
        ("1_000", 1000),
        ("010", 8),
        ("0x1F", 31),
        ("0o17", 15),
        ("0b101", 5),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000),
        ("2.0", 2),
        ("-0.0", 0),
        ("1e20", 10**20),
        ("1e21", 1e21),
        ("2025-01-01", "2025-01-01"),
        ("2025-01-01T10:00:00Z", "2025-01-01T10:00:00Z"),
        ("12:30:45", "12:30:45"),
        ("1.2.3", "1.2.3"),
        ("-", "-"),
        ("09", 9),
        ("nope", "nope"),
        ("=", "="),
    ],
)
def test_plain_scalars_mean_what_kubectl_takes_them_for(text: str, value: object) -> None:
    """The value and its type are those that an API server keeps of what sigs.k8s.io/yaml reads."""
    found = plain.value(text)

    assert (value, type(value)) == (found, type(found))


@pytest.mark.parametrize("text", [".inf", "-.INF", ".nan", "1e999", "9" * 30, "1" * 5000])
def test_what_json_cannot_hold_is_refused(text: str) -> None:
    """Infinities, NaN and numbers out of range are errors, however long they are."""
    with pytest.raises(plain.Refused, match="quotes"):
        plain.value(text)


def test_documents_come_with_the_line_they_start_on() -> None:
    """Comments and dividers before a document do not count; empty documents are left out."""
    parsed = read("# head\n\n---\n# more\na: 1\n---\n---\n# end\n- 2\n")

    assert [(raw.body, raw.line) for raw in parsed.documents] == [({"a": 1}, 5), ([2], 9)]


def test_a_key_given_twice_is_found_at_its_second_place() -> None:
    """Libyaml would take the last one silently."""
    assert places("a:\n  - x: 1\n    z: 2\n    x: 3\n") == [(4, 5, "is given twice")]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a:\n\t- b\n", (2, 1), "a tab is used"),
        ("a: [1, 2\n", (2, 1), "not closed"),
        ('a: "x\nb: c\n', (1, 4), "not closed"),
        ("a: b: c\n", (1, 5), "none is expected"),
        ("a: *b\n", (1, 4), "no anchor"),
        ("a: &b [*b]\n", (1, 8), "what it is part of"),
        ("? [a]\n: b\n", (1, 3), "a key is not text"),
        ("a: !python/object x\n", (1, 4), "has a tag"),
        ("a: !!int x\n", (1, 4), "is not what its tag"),
        ("<<: {a: 1}\n", (1, 1), "merge keys"),
        ("yes: 1\n", (1, 1), "`yes` is not text"),
        ("1.0: 1\n", (1, 1), "`1.0` is not text"),
        ("?\n: 1\n", (1, 2), "an empty key"),
        ("a: b\x07\n", (1, 5), "a control character (U+0007)"),
        ("a: .nan\n", (1, 4), "has no form in JSON"),
    ],
)
def test_faults_of_the_text_say_where_and_what(
    text: str, place: tuple[int, int], words: str
) -> None:
    """Each has a line, a column and a plain sentence."""
    found = places(text)

    assert [place] == [(line, column) for line, column, _ in found]
    assert words in found[0][2]


def test_bytes_that_are_not_utf8_have_a_place() -> None:
    """The column counts characters, not bytes."""
    parsed = parsing.read("ä: é\nb: ".encode() + b"\xff\n")

    assert [fault.text for fault in parsed.faults] == ["is not UTF-8 text"]
    assert parsing.place("ä: é\nb: ?\n", parsed.faults[0].char) == (2, 4)


def test_a_byte_order_mark_and_crlf_are_read() -> None:
    """Both are common on Windows."""
    parsed = parsing.read("\ufeffa: 1\r\nb:\r\n  - c\r\n".encode())

    assert [raw.body for raw in parsed.documents] == [{"a": 1, "b": ["c"]}]


def test_after_a_broken_document_the_next_ones_are_read() -> None:
    """One fault costs one document; lines still count from the top of the file."""
    parsed = read("a: 1\n---\nb: [\n---\nc: 3\n---\n\td: 4\n---\ne: 5\n")

    assert [(raw.body, raw.line) for raw in parsed.documents] == [
        ({"a": 1}, 1),
        ({"c": 3}, 5),
        ({"e": 5}, 9),
    ]
    assert len(parsed.faults) == 2


def test_keys_that_are_numbers_become_text_as_kubectl_does() -> None:
    """`8080: x` is the key "8080"."""
    assert [raw.body for raw in read('8080: x\n"no": 1\n').documents] == [{"8080": "x", "no": 1}]


def test_doubtful_scalars_are_told_and_read() -> None:
    """`no` is false and 010 is 8; both are warnings."""
    (raw,) = read("a: no\nb: 010\nc: true\n").documents

    assert raw.body == {"a": False, "b": 8, "c": True}
    assert [fault.severity for fault in raw.faults] == ["warning", "warning"]


def test_aliases_stand_for_their_value() -> None:
    """A few are fine."""
    (raw,) = read("a: &x {k: [1]}\nb: *x\nc: &y 5\nd: *y\n").documents

    assert raw.body == {"a": {"k": [1]}, "b": {"k": [1]}, "c": 5, "d": 5}


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(
            [
                "a0: &a0 [x]",
                *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)),
            ]
        ),
        "[" * 1_000_000,
        "{" * 1_000_000,
        "- " * 1_000_000,
        "? " * 1_000_000,
        "{a: " * 300_000,
        "- a\n" * 2_000_000,
        "a: &a [*a,*a]\n",
    ],
    ids=["aliases", "brackets", "braces", "dashes", "keys", "maps", "items", "itself"],
)
def test_bombs_end_in_an_error_soon(text: str) -> None:
    """Neither memory nor time grows with what a file pretends to hold."""
    started = time.monotonic()
    parsed = read(text)

    assert parsed.faults
    assert not parsed.documents
    assert time.monotonic() - started < 10


def test_the_limits_themselves_are_allowed() -> None:
    """A document at the limit of depth is read."""
    depth = building.DEEPEST
    parsed = read("[" * depth + "]" * depth)

    assert not parsed.faults
    assert read("[" * (depth + 1) + "]" * (depth + 1)).faults


def test_a_large_file_of_many_small_documents_is_read() -> None:
    """The limit of values is one of a document, not of a file."""
    text = "---\na: [1, 2, 3]\n" * 30_000

    parsed = read(text)

    assert not parsed.faults
    assert len(parsed.documents) == 30_000


def test_ground_is_valid() -> None:
    """The sets that the other tests build on have no problem."""
    files = {**declared_files.GROUND, "job.yaml": declared_files.job()}

    assert declared_files.lines(declared_files.report(files)) == []
