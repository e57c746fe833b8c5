"""Laws of reading and editing, on generated files."""

import json
from typing import Any

import hypothesis
import yaml
from hypothesis import strategies

from workbenchx import errors
from workbenchx.api import canonical, identity
from workbenchx.declared import edits, parsing, plain, reading, validate

KEYS = strategies.from_regex(r"[a-z][a-zA-Z]{2,8}", fullmatch=True)
TEXTS = strategies.text(
    strategies.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Co", "Cn"]), max_size=20
)
SCALARS = (
    strategies.none()
    | strategies.booleans()
    | strategies.integers(-(2**62), 2**62)
    | strategies.floats(allow_nan=False, allow_infinity=False, width=32)
    | TEXTS
    | strategies.sampled_from(
        ["no", "Y", "0o10", "1e3", "1_000", "2025-01-01", "~", "0x10", "a: b", "# c", "- x", "it's"]
    )
)
VALUES = strategies.recursive(
    SCALARS,
    lambda inner: (
        strategies.lists(inner, max_size=4) | strategies.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)
BODIES = strategies.dictionaries(KEYS, VALUES, min_size=1, max_size=5)
DOCUMENT = identity.Key("Thing", "", "one")


def same(first: Any, second: Any) -> bool:
    """Equal, and of the same types, but for whole numbers: these have one."""
    return canonical.encode(_whole(first)) == canonical.encode(_whole(second))


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    return value


@hypothesis.given(strategies.lists(BODIES, min_size=1, max_size=3), strategies.booleans())
@hypothesis.settings(max_examples=60)
def test_what_json_says_is_read_as_it_is(bodies: list[Any], indented: bool) -> None:
    """JSON is YAML: every document comes back with its values and types."""
    text = "\n---\n".join(
        json.dumps(body, ensure_ascii=False, indent=2 if indented else None) for body in bodies
    )
    parsed = parsing.read(text.encode())

    assert not parsed.faults
    assert same(bodies, [raw.body for raw in parsed.documents])


class Quoting(yaml.SafeDumper):
    """Quotes what PyYAML takes for text and we do not: `Y`, `0o10`, `1e3`."""

    def represent_text(self, text: str) -> yaml.Node:
        """The text, in quotes if it would be something else without."""
        try:
            style = None if plain.value(text) == text else '"'
        except plain.Refused:
            style = '"'
        return self.represent_scalar("tag:yaml.org,2002:str", text, style)


Quoting.add_representer(str, Quoting.represent_text)


@hypothesis.given(BODIES)
@hypothesis.example({"a": "Y", "b": "0O0", "c": "1e3", "d": "1" * 30})
@hypothesis.settings(max_examples=60)
def test_block_style_is_read_as_it_is(body: Any) -> None:
    """So does block style, with quotes where a text could be taken for something else."""
    text = yaml.dump(body, Dumper=Quoting, allow_unicode=True)
    parsed = parsing.read(text.encode())

    assert not parsed.faults
    assert not any(raw.faults for raw in parsed.documents)
    assert same([body], [raw.body for raw in parsed.documents])


@hypothesis.given(
    strategies.binary(max_size=300)
    | strategies.text(max_size=300).map(lambda text: text.encode("utf-8", "replace"))
)
def test_nothing_that_stands_in_a_file_raises(data: bytes) -> None:
    """Whatever the bytes are, the answer is documents and problems, each on one line."""
    found = reading.file("a.yaml", data)

    assert all("\n" not in str(problem) for problem in found.problems)


YAML_PIECES = strategies.lists(
    strategies.sampled_from(
        ["a: ", "b", ": ", "- ", "\n", "\n  ", "[", "]", "{", "}", ", ", '"', "'", "|\n  ", "&x ", "*x", "!!str ",
         "? ", "#c", "\t", "---\n", "...\n", "apiVersion: workbenchx.dev/v1alpha1\n", "kind: App\n", "kind: Project\n",
         "metadata: {name: x}\n", "metadata: {name: x, namespace: x}\n", "spec: {}\n", "spec:\n", "  project: x\n", "<<: ", "no", "%YAML 1.1\n"]
    ),
    max_size=25,
).map("".join)  # fmt: skip


@hypothesis.given(YAML_PIECES)
@hypothesis.example("apiVersion: workbenchx.dev/v1alpha1\n\n  b")
def test_nothing_that_looks_like_yaml_raises(text: str) -> None:
    """The same for texts that get far."""
    found = validate.check({"a.yaml": text.encode(), "b.yaml": b""}, jobs=1)

    assert all("\n" not in str(problem) for problem in (*found.problems, *found.notices))


@strategies.composite
def commented(draw: strategies.DrawFn) -> tuple[str, dict[str, Any]]:
    """A file of three documents with comments; the second one is ours. With its spec, as it is read.

    PyYAML writes some texts without quotes that are none to us (`Y`, `0o10`, `1e3`): what is written counts.
    """
    spec = draw(BODIES)
    flow = draw(strategies.sampled_from([None, True, False]))
    body = {"kind": "Thing", "metadata": {"name": "one"}, "spec": spec}
    text = yaml.safe_dump(
        body, sort_keys=False, default_flow_style=flow, allow_unicode=True, width=1000
    )
    lines = []
    nested = "|" in text or '"' in text or "'" in text or ">" in text
    for line in text.splitlines():
        if not nested and draw(strategies.integers(0, 4)) == 0:
            indent = len(line) - len(line.lstrip(" "))
            lines.append(" " * indent + "# a comment: with - [signs]")
        lines.append(line)
    return surrounded("\n".join(lines))


def surrounded(ours: str) -> tuple[str, dict[str, Any]]:
    """A file with our document between two others. With its spec, as it is read."""
    before = "# the first\nkind: First   # x\nmetadata: {name: zero}\n"
    after = "# the last\nkind: Last\n"
    spec = parsing.read(ours.encode()).documents[0].body["spec"]
    return f"{before}---\n{ours}\n---\n{after}", spec


class Drawn:
    """Answers what an example says, where a generated one draws."""

    def __init__(self, name: str) -> None:
        self.name = name

    def draw(self, _strategy: object) -> str:
        """The name of the field to set."""
        return self.name


SPELLED = surrounded("kind: Thing\nmetadata:\n  name: one\nspec:\n  bAA: Y\n  num: 0o10")


@hypothesis.given(commented(), VALUES, strategies.data())
@hypothesis.example(SPELLED, 0, Drawn("other"))
@hypothesis.example(SPELLED, {"a": [1]}, Drawn("num"))
@hypothesis.settings(max_examples=60)
def test_an_edit_says_what_was_meant_and_leaves_the_rest(
    file: tuple[str, dict[str, Any]], value: Any, data: strategies.DataObject
) -> None:
    """The field has the value; every comment and every line of the other documents is still there."""
    text, spec = file
    name = data.draw(strategies.sampled_from(sorted(spec)) | KEYS)
    try:
        new = edits.set_field(text.encode(), DOCUMENT, ("spec", name), value).decode()
    except errors.Stalled:
        hypothesis.reject()
    first, ours, last = new.split("\n---\n")

    assert same({**spec, name: value}, parsing.read(ours.encode()).documents[0].body["spec"])
    assert text.split("\n---\n")[0] == first
    assert text.split("\n---\n")[2] == last
    if isinstance(spec.get(name), dict | list):
        return
    untouched = [line for line in text.splitlines() if "# a comment" in line]
    assert untouched == [line for line in new.splitlines() if "# a comment" in line]


@hypothesis.given(commented(), SCALARS, SCALARS)
@hypothesis.settings(max_examples=60)
def test_setting_and_deleting_again_is_nothing(
    file: tuple[str, dict[str, Any]], value: Any, other: Any
) -> None:
    """A field that is added, changed and deleted leaves the bytes of before, where the spec is in block style."""
    old = file[0].encode()
    path = ("spec", "Added")
    try:
        new = edits.set_field(old, DOCUMENT, path, value)
        new = edits.set_field(new, DOCUMENT, path, other)
        new = edits.delete_field(new, DOCUMENT, path)
    except errors.Stalled:
        hypothesis.reject()

    assert old == new
