"""Server-sent events out of bytes, as the HTML standard reads them; an event without data counts too, since it wakes."""

import codecs
import dataclasses
from collections.abc import AsyncIterable, AsyncIterator, Iterator

from workbenchx import errors

_LONGEST_LINE = 1 << 20


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """One event. `id`: the latest that the stream gave, for Last-Event-ID; "": none."""

    type: str
    data: str
    id: str


class Parser:
    """Takes bytes as they come, answers the events that they complete."""

    def __init__(self, last: str = "") -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._line = ""
        self._after_return = False
        self._begun = False
        self._id = last
        self._clear()

    def _clear(self) -> None:
        self._type, self._data, self._said = "", list[str](), False

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that end in `data`.

        Raises:
            errors.Stalled: reason NotAnApi: a line without end.
        """
        for line in self._lines(self._decode(data)):
            if line:
                self._field(line)
            elif self._said:
                yield Event(self._type or "message", "\n".join(self._data), self._id)
                self._clear()

    def _lines(self, text: str) -> Iterator[str]:
        if text and not self._begun:
            self._begun = True
            text = text.removeprefix("\ufeff")
        if text and self._after_return:
            self._after_return = False
            text = text.removeprefix("\n")
        self._after_return = self._after_return or text.endswith("\r")
        *lines, self._line = (
            (self._line + text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        )
        if len(self._line) > _LONGEST_LINE:
            raise errors.Stalled("API: a line of its events does not end", reason="NotAnApi")
        yield from lines

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._type, self._said = value, True
            case "data":
                self._data.append(value)
                self._said = True
            case "id" if "\0" not in value:
                self._id, self._said = value, True


async def events(chunks: AsyncIterable[bytes], last: str = "") -> AsyncIterator[Event]:
    """The events of a stream, to its end."""
    parser = Parser(last)
    async for chunk in chunks:
        for event in parser.feed(chunk):
            yield event
