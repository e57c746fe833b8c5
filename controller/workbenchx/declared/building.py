"""libyaml's events into dicts and lists, without recursion.

It finds what libyaml does not mind: a key given twice, keys that are not text, tags, merge keys, aliases that multiply.
"""

from collections.abc import Callable
from typing import Any

from yaml import events

from workbenchx.declared import plain, problem, syntax

MOST_NODES = 100_000
DEEPEST = 100

_TAG = "tag:yaml.org,2002:"
_NATURES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "null": type(None),
}
_NO_KEY = object()
_Where = tuple[Any, Any]  # the container that is being filled, and its pending key
_WARNING = problem.Severity.WARNING.value


class Unreadable(Exception):
    """The document cannot be read on. Caught in this room, where it becomes a problem."""

    def __init__(self, fault: syntax.Fault) -> None:
        super().__init__(fault.text)
        self.fault = fault


def limited(pull: Callable[[], Any], start: int) -> Callable[[], Any]:
    """`pull`, but a document of too many events is refused while it is read."""
    left = MOST_NODES * 2

    def counted() -> Any:
        nonlocal left
        left -= 1
        event = pull()
        if left < 0:
            raise Unreadable(_too_many(event.start_mark.index + start))
        return event

    return counted


def _too_many(index: int) -> syntax.Fault:
    text = f"has more than {MOST_NODES:,} values, aliases counted as what they stand for"
    return syntax.Fault(index, "", text, "divide it, or write it without aliases")


class Builder:
    """Makes one document.

    `stack` holds what is open outside of the current container: (container, pending key, nodes before, anchor).
    """

    __slots__ = ("anchored", "anchors", "faults", "nodes", "stack", "start")

    def __init__(self, start: int, *, anchored: bool) -> None:
        self.start = start
        self.anchored = anchored
        self.anchors: dict[str, tuple[Any, int] | None] = {}
        self.faults: list[syntax.Fault] = []
        self.stack: list[tuple[Any, Any, int, str | None]] = []
        self.nodes = 0

    def build(self, event: Any, pull: Callable[[], Any]) -> Any:  # noqa: C901, PLR0912 # the hot loop: calls cost more than branches
        """The value that starts with `event`. Runs once for each event of every file."""
        box: Any = []
        key: Any = None
        special = plain.FIRST
        while True:
            kind = event.__class__
            if kind is events.ScalarEvent:
                value = event.value
                is_plain, is_quoted = event.implicit
                if key is _NO_KEY:
                    key = value
                    if not is_quoted and (not is_plain or not value or value[0] in special):
                        self._check_key(event, box)
                    if key in box:
                        self._fault(event, (box, key), "is given twice", "keep one")
                    event = pull()
                    continue
                if is_plain:
                    if not value or value[0] in special:
                        value = self._plain(event, value, (box, key))
                elif not is_quoted:
                    value = self._tagged(event, value, (box, key))
                if self.anchored and event.anchor:
                    self.anchors[event.anchor] = (value, 1)
            elif kind is events.MappingEndEvent or kind is events.SequenceEndEvent:
                value = box
                box, key = self._close(event, value)
            elif kind is events.AliasEvent:
                value = self._alias(event, box, key)
            else:
                self._open(event, box, key)
                box, key = ({}, _NO_KEY) if kind is events.MappingStartEvent else ([], None)
                event = pull()
                continue
            if key is None:
                box.append(value)
                if not self.stack:
                    return value
            else:
                box[key] = value
                key = _NO_KEY
            event = pull()

    def _open(self, event: Any, box: Any, key: Any) -> None:
        if key is _NO_KEY:
            raise Unreadable(self._made(event, (box, key), "a key is not text", "write it as text"))
        if len(self.stack) >= DEEPEST:
            text = f"is nested deeper than {DEEPEST} levels"
            index = event.start_mark.index + self.start
            raise Unreadable(syntax.Fault(index, "", text, "make it flatter"))
        if event.tag and event.tag not in {f"{_TAG}map", f"{_TAG}seq"}:
            self._fault(event, (box, key), "has a tag, which is not read", "remove it")
        self.stack.append((box, key, self.nodes, event.anchor))
        if event.anchor:
            self.anchors[event.anchor] = None

    def _close(self, event: Any, value: Any) -> tuple[Any, Any]:
        box, key, before, anchor = self.stack.pop()
        self.nodes += len(value)
        if self.nodes > MOST_NODES:
            raise Unreadable(_too_many(event.start_mark.index + self.start))
        if anchor:
            self.anchors[anchor] = (value, self.nodes - before + 1)
        return box, key

    def _alias(self, event: Any, box: Any, key: Any) -> Any:
        if key is _NO_KEY:
            raise Unreadable(self._made(event, (box, key), "a key is an alias", "write it out"))
        if event.anchor not in self.anchors:
            raise Unreadable(
                self._made(event, (box, key), "an alias has no anchor before it", "write it out")
            )
        found = self.anchors[event.anchor]
        if found is None:
            raise Unreadable(
                self._made(
                    event, (box, key), "an alias stands for what it is part of", "write it out"
                )
            )
        self.nodes += found[1]
        if self.nodes > MOST_NODES:
            raise Unreadable(_too_many(event.start_mark.index + self.start))
        return found[0]

    def _check_key(self, event: Any, box: Any) -> None:
        text = event.value
        if event.tag:
            self._fault(event, (box, text), "has a tag, which is not read", "remove it")
        elif text == "<<":
            hint = "write the fields out"
            self._fault(event, (box, text), "merge keys are not read", hint)
        elif not _is_text_key(text):
            shown = text or "an empty key"
            hint = f'write "{text}" in quotes' if text else "write a name"
            self._fault(event, (box, text), f"`{shown}` is not text as a key", hint)

    def _plain(self, event: Any, text: str, where: _Where) -> Any:
        try:
            value = plain.value(text)
        except plain.Refused as refused:
            self._fault(event, where, "has no form in JSON", str(refused))
            return text
        if value.__class__ is not str and (hint := plain.doubt(text)):
            self._fault(event, where, "may not be what is meant", hint, _WARNING)
        return value

    def _tagged(self, event: Any, text: str, where: _Where) -> Any:
        name = event.tag.removeprefix(_TAG)
        nature = _NATURES.get(name)
        if nature is None:
            self._fault(event, where, "has a tag, which is not read", "remove it")
            return text
        value = text if nature is str else self._plain(event, text, where)
        if not isinstance(value, nature):
            self._fault(event, where, f"is not what its tag !!{name} says", "remove the tag")
        return value

    def _fault(
        self,
        event: Any,
        where: _Where,
        text: str,
        hint: str,
        severity: str = problem.Severity.ERROR.value,
    ) -> None:
        self.faults.append(self._made(event, where, text, hint, severity))

    def _made(
        self,
        event: Any,
        where: _Where,
        text: str,
        hint: str,
        severity: str = problem.Severity.ERROR.value,
    ) -> syntax.Fault:
        field = problem.dotted(self._path(where))
        return syntax.Fault(event.start_mark.index + self.start, field, text, hint, severity)

    def _path(self, where: _Where) -> tuple[str | int, ...]:
        levels = [(outer, pending) for outer, pending, *_ in self.stack] + [where]
        return tuple(
            len(outer) if pending is None else pending
            for outer, pending in levels[1:]
            if pending is not _NO_KEY
        )


def _is_text_key(text: str) -> bool:
    """Whether kubectl would make the same text of this key: words, and numbers in their plainest form."""
    try:
        value = plain.value(text)
    except plain.Refused:
        return False
    return isinstance(value, str) or (type(value) is int and str(value) == text)
