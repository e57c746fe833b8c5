"""Where the fields of a document stand in its text. Made only for documents that have a problem or are edited."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from yaml import _yaml, events


@dataclasses.dataclass(slots=True)
class Node:
    """A value in the text: characters `begin` to `end`, and its key's (`key_begin` -1: it has none).

    `style` is how a scalar is quoted ("" plain, "'", '"', "|", ">"), for a container "flow" or "block", or "alias".
    """

    begin: int
    end: int
    style: str
    key_begin: int = -1
    key_end: int = -1
    fields: "dict[str, Node] | None" = None
    items: "list[Node] | None" = None

    @property
    def start(self) -> int:
        """Where a person looks for it: at its key, if it has one."""
        return self.begin if self.key_begin < 0 else self.key_begin

    def child(self, part: str | int) -> "Node | None":
        """The field or item `part`."""
        if isinstance(part, str):
            return self.fields.get(part) if self.fields is not None else None
        if self.items is None or not 0 <= part < len(self.items):
            return None
        return self.items[part]


def read(text: str, offset: int) -> Node:
    """The nodes of the document that starts at the character `offset`. It was read before, so it is well formed."""
    pull = _yaml.CParser(text[offset:].encode()).get_event
    pull()
    pull()
    return _node(pull(), pull, offset)


def index(root: Node, path: Sequence[str | int], at: str = "value") -> int:
    """The character to point at for the field `path`; the nearest that exists where it does not.

    `at`: "value" (of a container: its key), "key", or "parent" (what should hold the missing field).
    """
    node = root
    for part in path[:-1] if at == "parent" else path:
        found = node.child(part)
        if found is None:
            return node.start
        node = found
    whole = node.fields is not None or node.items is not None
    return node.start if at != "value" or whole else node.begin


def _node(event: Any, pull: Callable[[], Any], offset: int) -> Node:
    begin, end = event.start_mark.index + offset, event.end_mark.index + offset
    if isinstance(event, events.MappingStartEvent):
        node = Node(begin, end, "flow" if event.flow_style else "block", fields={})
        return _fill(node, pull, offset)
    if isinstance(event, events.SequenceStartEvent):
        node = Node(begin, end, "flow" if event.flow_style else "block", items=[])
        return _fill(node, pull, offset)
    style = "alias" if isinstance(event, events.AliasEvent) else event.style or ""
    return Node(begin, end, style)


def _fill(node: Node, pull: Callable[[], Any], offset: int) -> Node:
    while not _closes(event := pull()):
        if node.items is not None:
            child = _node(event, pull, offset)
            node.items.append(child)
        elif node.fields is not None:
            child = _node(pull(), pull, offset)
            child.key_begin = event.start_mark.index + offset
            child.key_end = event.end_mark.index + offset
            node.fields[event.value] = child
        node.end = child.end
    if node.style == "flow":
        node.end = event.end_mark.index + offset
    return node


def _closes(event: Any) -> bool:
    return isinstance(event, events.CollectionEndEvent)
