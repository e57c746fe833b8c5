"""Changes of a text at the places of a document's nodes. Only the lines that have to change do.

These make the new text; `edits` checks that it says what was meant, since not every layout is known here.
"""

from typing import Any

from workbenchx.declared import marks, rendering

Path = tuple[str | int, ...]


class Unsupported(Exception):
    """The layout at the place of the change is not one that is handled here. Caught in this room."""


def replaced(text: str, node: marks.Node, value: Any) -> str:
    """The text with another value for an existing field or item."""
    nested = isinstance(value, dict | list) and bool(value)
    if node.style == "block":
        return _replaced_block(text, node, value, nested=nested)
    if node.begin == node.end:
        return _filled(text, node, rendering.flow(value))
    new = rendering.flow(value) if nested else rendering.scalar(value, node.style)
    end = node.begin + len(
        text[node.begin : node.end].rstrip()
    )  # a block text's end is the next line that says something
    return text[: node.begin] + new + text[end:]


def added(text: str, parent: marks.Node, key: str, value: Any) -> str:
    """The text with a new last field of a mapping."""
    if parent.fields is None:
        raise Unsupported("the parent is not a mapping")
    if parent.style == "flow":
        return _in_flow(text, parent, f"{rendering.scalar(key)}: {rendering.flow(value)}")
    first = next(iter(parent.fields.values()))
    last = list(parent.fields.values())[-1]
    lines = rendering.field(key, value, column(text, first.key_begin))
    return _after(text, last.end, lines)


def appended(text: str, parent: marks.Node, value: Any) -> str:
    """The text with a new last item of a list."""
    if parent.items is None:
        raise Unsupported("the parent is not a list")
    if parent.style == "flow":
        return _in_flow(text, parent, rendering.flow(value))
    lines = rendering.item(value, column(text, parent.begin))
    return _after(text, parent.items[-1].end, lines)


def without(text: str, parent: marks.Node, part: str | int) -> str:
    """The text without a field or an item."""
    children = list((parent.fields or {}).values()) or parent.items or []
    node = parent.child(part)
    if node is None:
        raise Unsupported("the field is not there")
    number = next(number for number, child in enumerate(children) if child is node)
    if len(children) == 1:
        return replaced(text, parent, {} if parent.fields is not None else [])
    if parent.style == "flow":
        before, after = children[:number], children[number + 1 :]
        begin = node.start if after else before[-1].end
        end = after[0].start if after else node.end
        return text[:begin] + text[end:]
    return _without_lines(text, parent, children, number)


def column(text: str, char: int) -> int:
    """How many characters stand before `char` on its line."""
    return char - text.rfind("\n", 0, char) - 1


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _line_end(text: str, char: int) -> int:
    """The start of the line after the one on which a node that ends at `char` says its last."""
    said = len(text[:char].rstrip())  # a block text ends where the next thing begins
    found = text.find("\n", said)
    return len(text) if found < 0 else found + 1


def _after(text: str, char: int, lines: list[str]) -> str:
    newline = _newline(text)
    place = _line_end(text, char)
    missing = "" if place == 0 or text[place - 1] == "\n" else newline
    ending = "" if missing else newline
    return text[:place] + missing + newline.join(lines) + ending + text[place:]


def _in_flow(text: str, parent: marks.Node, new: str) -> str:
    children = list((parent.fields or {}).values()) or parent.items or []
    if children:
        end = children[-1].end
        return f"{text[:end]}, {new}{text[end:]}"
    return text[: parent.begin + 1] + new + text[parent.begin + 1 :]


def _filled(text: str, node: marks.Node, new: str) -> str:
    """A value where there was none (`key:`)."""
    if node.key_begin < 0:
        raise Unsupported("an empty item")
    colon = text.index(":", node.key_end) + 1
    return f"{text[:colon]} {new}{text[colon:]}"


def _replaced_block(text: str, node: marks.Node, value: Any, *, nested: bool) -> str:
    """Another value for a block mapping or list, which starts on the line after its key."""
    if node.key_begin < 0:
        raise Unsupported("an item in block style")
    colon = text.index(":", node.key_end) + 1
    key_line = _line_end(text, colon)
    if node.begin < key_line:
        raise Unsupported("a block on the line of its key")
    end = _line_end(text, node.end)
    if not nested:
        return f"{text[:colon]} {rendering.flow(value)}{text[colon:key_line]}{text[end:]}"
    indent = column(text, node.begin)
    lines = [f"{line}{_newline(text)}" for line in rendering.block(value, indent)]
    return text[:key_line] + "".join(lines) + text[end:]


def _without_lines(text: str, parent: marks.Node, children: list[marks.Node], number: int) -> str:
    node = children[number]
    margin = column(text, parent.begin)
    begin = _head(text, node, margin)
    start = begin - column(text, begin)
    if text[start:begin].strip():
        # the first field of a list's item shares its line with the dash: the next field takes its place
        after = children[number + 1] if number + 1 < len(children) else None
        if after is None:
            raise Unsupported("the last on a shared line")
        return text[:begin] + text[_head(text, after, margin) :]
    return text[:start] + text[_line_end(text, node.end) :]


def _head(text: str, node: marks.Node, margin: int) -> int:
    """Where a field or an item begins: its key, or its dash in the column of the list."""
    if node.key_begin >= 0:
        return node.key_begin
    start = node.begin
    while start > 0:
        start -= column(text, start)
        if text[start + margin : start + margin + 1] == "-":
            return start + margin
        start -= 1
    raise Unsupported("no dash")
