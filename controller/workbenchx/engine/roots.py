"""The documents of anchors: what is written to storage, and read back from it alone.

An anchor is a document of JSON lines under its sha256 (the root): a head, one line for each run (run id, number of
events, head of its chain), a foot with the totals; runs in the order of their ids. A pin `anchors/<installation>/<number>`
names the root, once for ever. The head names the root before, so that the pins are a chain.
"""

import dataclasses
import datetime
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from workbenchx import errors, ports

FORMAT = "workbenchx anchor 1"
FOLDER = "anchors/"
_HEX = re.compile(r"[0-9a-f]{64}")
_RUN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LINE_LIMIT = 4096


@dataclasses.dataclass(frozen=True, slots=True)
class Head:
    """The first line of a document."""

    installation: str
    number: int
    day: datetime.date
    prev: str

    def document(self) -> dict[str, Any]:
        """As it is written."""
        written = {"installation": self.installation, "number": self.number, "prev": self.prev}
        return {"format": FORMAT, "day": self.day.isoformat()} | written


def folder(installation: str) -> str:
    """Where the pins of an installation are."""
    return f"{FOLDER}{installation}/"


def pin_name(installation: str, number: int) -> str:
    """Under which name an anchor's root is pinned; in the order of the numbers."""
    return f"{folder(installation)}{number:010d}"


def installation_of(name: str) -> str:
    """Whose pin it is."""
    return name.removeprefix(FOLDER).partition("/")[0]


def pin(installation: str, anchor: ports.Anchor) -> bytes:
    """What is pinned."""
    head = Head(installation, anchor.number, anchor.day, anchor.prev)
    more = {"root": anchor.root, "runs": anchor.runs, "events": anchor.events}
    return _line(head.document() | more)


def read_pin(name: str, data: bytes) -> ports.Anchor:
    """The anchor that a pin names.

    Raises:
        errors.Stalled: reason DigestMismatch: it is no pin that we wrote.
    """
    try:
        found = json.loads(data)
        anchor = ports.Anchor(
            number=int(found["number"]),
            day=datetime.date.fromisoformat(found["day"]),
            root=_digest(found["root"]),
            prev=_digest(found["prev"]) if found["prev"] else "",
            runs=int(found["runs"]),
            events=int(found["events"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(f'pin "{name}" cannot be read') from error
    if found.get("format") != FORMAT or pin_name(found["installation"], anchor.number) != name:
        raise _damaged(f'pin "{name}" says that it is another')
    return anchor


class Writer:
    """The lines of a document as they come, and how many there were."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self.runs = 0
        self.events = 0

    async def stream(self, pages: AsyncIterator[Iterable[ports.Entry]]) -> AsyncIterator[bytes]:
        """The whole document."""
        yield _line(self._head.document())
        async for page in pages:
            lines = []
            for entry in page:
                self.runs += 1
                self.events += entry.events
                lines.append(_line(entry))
            yield b"".join(lines)
        yield _line({"events": self.events, "runs": self.runs})


async def read(
    stream: AsyncIterator[bytes], installation: str, anchor: ports.Anchor, *, page: int
) -> AsyncIterator[list[ports.Entry]]:
    """The entries of a document, page by page; it is what the pin says, or an error is raised at the latest at its end.

    Raises:
        errors.Stalled: reason DigestMismatch or ArtifactMissing. What was answered before is not to be believed then.
    """
    wanted = Head(installation, anchor.number, anchor.day, anchor.prev).document()
    entries: list[ports.Entry] = []
    runs = events = 0
    previous, last = "", b""
    async for number, line in _lines(stream):
        if number == 0:
            if _parsed(line) != wanted:
                raise _damaged(f"the document of anchor {anchor.number} begins as another")
            continue
        if last:
            entry = _entry(last, previous)
            previous, runs, events = entry.run_id, runs + 1, events + entry.events
            entries.append(entry)
        last = line
        if len(entries) >= page:
            yield entries
            entries = []
    totals = {"runs": runs, "events": events}
    if _parsed(last) != totals or (runs, events) != (anchor.runs, anchor.events):
        raise _damaged(f"the document of anchor {anchor.number} is not whole")
    if entries:
        yield entries


async def _lines(stream: AsyncIterator[bytes]) -> AsyncIterator[tuple[int, bytes]]:
    number, rest = 0, b""
    async for chunk in stream:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield number, line
            number += 1
        if len(rest) > _LINE_LIMIT:
            break
    if rest:
        raise _damaged("the document of an anchor ends within a line")


def _entry(line: bytes, previous: str) -> ports.Entry:
    found = _parsed(line)
    try:
        run_id, events, head = found
        entry = ports.Entry(run_id, events, _digest(head))
        if _RUN.fullmatch(run_id) and run_id > previous and events > 0:
            return entry
    except (ValueError, TypeError):
        pass
    raise _damaged("a line of an anchor's document is none that we write")


def _digest(text: str) -> str:
    if not _HEX.fullmatch(text):
        raise ValueError(text)
    return text


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise _damaged("a line of an anchor's document is no JSON") from error


def _line(value: Mapping[str, Any] | tuple[Any, ...]) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def _damaged(what: str) -> errors.Stalled:
    return errors.Stalled(f"anchor: {what}", reason="DigestMismatch")
