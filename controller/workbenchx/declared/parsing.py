"""YAML bytes into plain data, one entry for each document, with the faults of the text itself.

A document that cannot be read is skipped up to the next `---`; the rest of the file is still read.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import yaml
from yaml import _yaml, events

from workbenchx.declared import building, syntax

_DIVIDER = re.compile(r"^---(?=[ \t\r\n]|$)", re.MULTILINE)
_SMALL = 256 * 1024


class Raw(NamedTuple):
    """One document as plain data. `line`: where its content starts; `offset`: where parsing it has to start."""

    body: Any
    line: int
    offset: int
    faults: tuple[syntax.Fault, ...] = ()


class Parsed(NamedTuple):
    """A file. `faults` cost a document each: then what the file declares is not wholly known."""

    documents: list[Raw]
    faults: list[syntax.Fault]


def read(data: bytes) -> Parsed:
    """Every document of a file; empty ones are left out."""
    parsed = Parsed([], [])
    start = 0
    text: str | None = None
    chunk = data
    while True:
        fault = _collect(chunk, start, text, parsed)
        if fault is None:
            return parsed
        if text is None:
            text = decoded(data)
        parsed.faults.append(syntax.worded(fault, text))
        divider = _DIVIDER.search(text, max(fault.char, start + 3))
        if divider is None or fault.last:
            return parsed
        start = divider.start()
        chunk = text[start:].encode()


def decoded(data: bytes) -> str:
    """The text in which indexes count: without a byte order mark, bad bytes replaced."""
    return data.decode(errors="replace").removeprefix("\ufeff")


def place(text: str, index: int) -> tuple[int, int]:
    """Line and column, from 1, of a character."""
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


def _collect(chunk: bytes, start: int, text: str | None, parsed: Parsed) -> syntax.Fault | None:
    """Add documents up to the end (None) or to the first fault that costs one."""
    try:
        line = text.count("\n", 0, start) + 1 if text else 1
        parsed.documents.extend(_stream(chunk, start, line))
    except building.Unreadable as error:
        return error.fault
    except yaml.reader.ReaderError as error:
        return syntax.of_reader(error, chunk, start)
    except yaml.MarkedYAMLError as error:
        return syntax.of_parser(error, start)
    return None


def _stream(data: bytes, start: int, line: int) -> Iterator[Raw]:
    anchored = b"&" in data
    parser = _yaml.CParser(data)
    pull: Callable[[], Any] = parser.get_event
    pull()
    while isinstance(event := pull(), events.DocumentStartEvent):
        mark: Any = event.start_mark
        offset = mark.index - mark.column + start  # with its indentation
        limited = pull if len(data) < _SMALL else building.limited(pull, start)
        first: Any = pull()
        builder = building.Builder(start, anchored=anchored)
        body = builder.build(first, limited)
        pull()
        if body is not None:
            yield Raw(body, first.start_mark.line + line, offset, tuple(builder.faults))
