"""An answer that is too long to be held: JSON written list by list, or lines of text."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from workbenchx.cli import invocation


class Document:
    """One JSON object whose lists are written item by item; as text, only its lines are."""

    def __init__(self, *, wanted: bool) -> None:
        self._json = wanted
        self._fields = 0

    @contextlib.contextmanager
    def list(self, name: str) -> Iterator[Callable[[Mapping[str, Any]], None]]:
        """A field that is a list; what is called with each item."""
        if not self._json:
            yield lambda _: None
            return
        items = 0

        def add(item: Mapping[str, Any]) -> None:
            nonlocal items
            invocation.put(f"{',' if items else ''}\n    {invocation.as_json(item, indent=None)}")
            items += 1

        self._name(name)
        invocation.put("[")
        yield add
        invocation.put("\n  ]" if items else "]")

    def value(self, name: str, value: Any) -> None:
        """A field that is small."""
        if self._json:
            self._name(name)
            invocation.put(invocation.as_json(value, indent=None))

    def line(self, text: str) -> None:
        """A line of the text."""
        if not self._json:
            invocation.say(text)

    def _name(self, name: str) -> None:
        invocation.put(f"{',' if self._fields else '{'}\n  {json.dumps(name)}: ")
        self._fields += 1


@contextlib.contextmanager
def document(*, wanted: bool) -> Iterator[Document]:
    """The document, closed at the end. `wanted`: as JSON."""
    made = Document(wanted=wanted)
    yield made
    if wanted:
        invocation.put("\n}\n")
