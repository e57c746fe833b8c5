"""Edits of one document in a file: what they change, what they leave, what they refuse."""

import difflib

import pytest

from workbenchx import errors
from workbenchx.api import identity
from workbenchx.declared import edits, parsing

TEXT = """\
# head
apiVersion: v1   # ours
kind: A
metadata: {name: a}
spec:
  # the command
  command: [python, a.py]  # run
  text: |
    hello
    world

  # after the text
  env:
    - name: X   # first
      # about the value
      value: "1"
    - name: Y
      value: 'q'
  empty:
  res:
    cpu: 2
  last: 1 # end
---
# second
kind: B
metadata:
  name: b
  namespace: team
spec: {a: 1, b: [1, 2]}
"""
A = identity.Key("A", "", "a")
B = identity.Key("B", "team", "b")


def difference(new: bytes, old: str = TEXT) -> list[str]:
    """The lines that were taken away and put in."""
    lines = difflib.unified_diff(old.splitlines(), new.decode().splitlines(), lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


@pytest.mark.parametrize(
    ("key", "path", "value", "wanted"),
    [
        (A, "last", "no", ["-  last: 1 # end", '+  last: "no" # end']),
        (A, "last", 2.5, ["-  last: 1 # end", "+  last: 2.5 # end"]),
        (
            A,
            "command",
            ["x", "y z"],
            ["-  command: [python, a.py]  # run", "+  command: [x, y z]  # run"],
        ),
        (A, "text", "new", ["-  text: |", "-    hello", "-    world", "+  text: new"]),
        (A, "env.0.value", 'a"b', ['-      value: "1"', '+      value: "a\\"b"']),
        (A, "env.1.value", "it's", ["-      value: 'q'", "+      value: 'it''s'"]),
        (A, "empty", {"a": [1]}, ["-  empty:", "+  empty: {a: [1]}"]),
        (A, "empty.deeper", True, ["-  empty:", "+  empty: {deeper: true}"]),
        (A, "res.memory", "1Gi", ["+    memory: 1Gi"]),
        (A, "res", {"gpu": 1, "l": [1]}, ["-    cpu: 2", "+    gpu: 1", "+    l:", "+      - 1"]),
        (A, "res", 3, ["-  res:", "-    cpu: 2", "+  res: 3"]),
        (A, "new.deep", [{"b": 1}], ["+  new:", "+    deep:", "+      - b: 1"]),
        (
            B,
            "c.d",
            "2025-01-01",
            ["-spec: {a: 1, b: [1, 2]}", '+spec: {a: 1, b: [1, 2], c: {d: "2025-01-01"}}'],
        ),
    ],
)
def test_setting_a_field_changes_its_lines_only(
    key: identity.Key, path: str, value: object, wanted: list[str]
) -> None:
    """Comments, quotes and the rest of the file stay."""
    assert wanted == difference(edits.set_field(TEXT.encode(), key, parts(path), value))


@pytest.mark.parametrize(
    ("key", "path", "wanted"),
    [
        (A, "last", ["-  last: 1 # end", "+  first-of: 1 # end"]),
        (A, "text", ["-  text: |", "+  first-of: |"]),
        (A, "res.cpu", ["-    cpu: 2", "+    first-of: 2"]),
        (B, "a", ["-spec: {a: 1, b: [1, 2]}", "+spec: {first-of: 1, b: [1, 2]}"]),
    ],
)
def test_renaming_a_field_changes_its_name_only(
    key: identity.Key, path: str, wanted: list[str]
) -> None:
    """Value, place and comments stay."""
    assert wanted == difference(edits.rename_field(TEXT.encode(), key, parts(path), "first-of"))


def test_a_text_is_replaced_in_its_document_only() -> None:
    """What stands there once is replaced; what another document says is not there; no document may go, come or be another."""
    data = TEXT.encode()

    assert edits.part(data, B).startswith("---\n# second")
    assert difference(edits.replace_text(data, B, "a: 1", "a: 3")) == [
        "-spec: {a: 1, b: [1, 2]}",
        "+spec: {a: 3, b: [1, 2]}",
    ]
    for old, new in (
        ("cpu: 2", "cpu: 3"),
        ("b", "c"),
        ("name: b", "name: c"),
        ("spec:", "---\nspec:"),
        (edits.part(data, B), "\n"),
        ("{a: 1", "{a: ["),
    ):
        with pytest.raises(errors.Stalled) as refused:
            edits.replace_text(data, B, old, new)
        assert refused.value.reason == "EditRefused"


@pytest.mark.parametrize(
    ("key", "path", "wanted"),
    [
        (A, "env.0", ["-    - name: X   # first", "-      # about the value", '-      value: "1"']),
        (A, "env.1", ["-    - name: Y", "-      value: 'q'"]),
        (A, "env.0.value", ['-      value: "1"']),
        (A, "res.cpu", ["-  res:", "-    cpu: 2", "+  res: {}"]),
        (A, "last", ["-  last: 1 # end"]),
        (A, "text", ["-  text: |", "-    hello", "-    world"]),
        (B, "b.0", ["-spec: {a: 1, b: [1, 2]}", "+spec: {a: 1, b: [2]}"]),
        (B, "b", ["-spec: {a: 1, b: [1, 2]}", "+spec: {a: 1}"]),
    ],
)
def test_deleting_a_field_takes_its_lines_only(
    key: identity.Key, path: str, wanted: list[str]
) -> None:
    """Comments above it stay, since they are somebody's words."""
    assert wanted == difference(edits.delete_field(TEXT.encode(), key, parts(path)))


@pytest.mark.parametrize(
    ("key", "path", "value", "wanted"),
    [
        (A, "env", {"name": "Z", "value": "1"}, ["+    - name: Z", '+      value: "1"']),
        (
            A,
            "command",
            "-v",
            ["-  command: [python, a.py]  # run", '+  command: [python, a.py, "-v"]  # run'],
        ),
        (A, "empty", 3, ["-  empty:", "+  empty: [3]"]),
        (A, "tags", "x", ["+  tags:", "+    - x"]),
    ],
)
def test_appending_an_item_adds_its_lines_only(
    key: identity.Key, path: str, value: object, wanted: list[str]
) -> None:
    """A list that is missing or empty is made."""
    assert wanted == difference(edits.append_item(TEXT.encode(), key, parts(path), value))


def test_deleting_a_document_leaves_the_others() -> None:
    """Deleting the last one leaves nothing."""
    first, second = TEXT.split("---\n")

    assert f"---\n{second}" == edits.delete_document(TEXT.encode(), A).decode()
    assert first == edits.delete_document(TEXT.encode(), B).decode()
    assert edits.delete_document(first.encode(), A) == b""


def test_line_breaks_and_byte_order_marks_stay() -> None:
    """A file from Windows stays one."""
    old = b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode()

    new = edits.set_field(old, A, ("spec", "res", "memory"), "1Gi")

    assert old.replace(b"    cpu: 2\r\n", b"    cpu: 2\r\n    memory: 1Gi\r\n") == new


def test_a_file_without_a_last_line_break_can_be_edited() -> None:
    """It gets none at its end either."""
    old = b"kind: A\nmetadata: {name: a}\nspec:\n  a: 1"

    assert old + b"\n  b: 2" == edits.set_field(old, A, ("spec", "b"), 2)


SPELLINGS = (
    "Y", "off", "True", "~", "null", "Null", "010", "0o17", "0x1F", "1_000", "+1", "1.50", ".5", "1e3",
    "2025-01-01", "2025-01-01T00:00:00Z", "=", "'yes'", '"no"', "a b",
)  # fmt: skip


def test_what_is_written_anew_keeps_the_spelling_of_what_is_not_meant() -> None:
    """Readers of YAML differ on unquoted scalars; an edit changes none but its own, not even its spelling."""
    fields = [f"    f{number}: {written}" for number, written in enumerate(SPELLINGS)]
    old = "\n".join(
        ["kind: A", "metadata: {name: a}", "spec:", "  - other: 1", *fields, "  - x: 1"]
    )
    value = {"a": [True, None, 1.5, "no", "x y", "", -3]}

    new = edits.set_field(old.encode(), A, ("spec", 1), value).decode()

    assert [line.strip() for line in new.splitlines() if " f" in line] == [
        line.strip() for line in fields
    ]
    assert parsing.read(new.encode()).documents[0].body["spec"][1] == value


def test_an_unusual_layout_is_written_anew_with_its_comments() -> None:
    """Only that document, by ruamel.yaml."""
    old = (
        b"kind: A # why\nmetadata: {name: a}\nspec:\n  - # odd\n    - 1\n    - 2\n---\nkind:   C\n"
    )

    new = edits.set_field(old, A, ("spec", 0), "x")

    assert b"# why" in new
    assert new.endswith(b"---\nkind:   C\n")


@pytest.mark.parametrize(
    ("spec", "path", "wanted"),
    [
        ("{x: &x {y: 1}, z: *x}", ("spec", "z", "y"), {"x": {"y": 1}, "z": {"y": 2}}),
        ("{x: &x 1, z: *x}", ("spec", "x"), {"x": 2, "z": 1}),
    ],
)
def test_what_an_alias_shares_does_not_change_with_it(
    spec: str, path: tuple[str, ...], wanted: object
) -> None:
    """Only the field that was named has another value."""
    old = f"kind: A\nmetadata: {{name: a}}\nspec: {spec}\n".encode()

    (raw,) = parsing.read(edits.set_field(old, A, path, 2)).documents

    assert wanted == raw.body["spec"]


@pytest.mark.parametrize(
    ("text", "key", "path"),
    [
        (TEXT, identity.Key("A", "", "other"), ("spec", "last")),
        (TEXT, A, ("spec", "env", 7)),
        ("kind: A\nmetadata: {name: a}\nspec: {x: 1}\n---\nb: [\n", A, ("spec", "x")),
    ],
)
def test_what_cannot_be_edited_surely_is_refused(
    text: str, key: identity.Key, path: tuple[str | int, ...]
) -> None:
    """An unknown document or item, a value that is shared by an alias, a file that is broken."""
    with pytest.raises(errors.Stalled) as caught:
        edits.set_field(text.encode(), key, path, 2)

    assert caught.value.reason == "EditRefused"


def parts(path: str) -> tuple[str | int, ...]:
    """The path inside the spec."""
    return ("spec", *(int(part) if part.isdigit() else part for part in path.split(".")))
