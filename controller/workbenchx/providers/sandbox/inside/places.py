"""Where things lie inside a sandbox that is elsewhere, and how words are put on a stream. Standard library only."""

import json
import os
import pathlib
import struct
import sys
from typing import BinaryIO

from workbenchx.providers.sandbox.supervision import layout

BOX = "/wbx/box"
BOX_VARIABLE = "WBX_INSIDE_BOX"
"""Where the box is, if it is not there: a path without links, or "." for the current folder."""
_LONGEST_HEADER = 1 << 24

Json = dict[str, object]


def folder() -> layout.Folder:
    """The sandbox around this process."""
    return layout.Folder(pathlib.Path(os.environ.get(BOX_VARIABLE, BOX)))


def gate() -> pathlib.Path:
    """The socket on which a first process may wait for the order to start."""
    return folder().path / "gate"


def staged() -> pathlib.Path:
    """Made once every file of the order lies in its place."""
    return folder().path / "staged"


def frame(data: bytes) -> bytes:
    """One message of a stream."""
    return struct.pack("!I", len(data)) + data


def read_frame(stream: BinaryIO) -> bytes:
    """The next message; EOFError where the stream ends before it is whole."""
    (length,) = struct.unpack("!I", _exactly(stream, 4))
    if length > _LONGEST_HEADER:
        raise EOFError(f"a message of {length} bytes")
    return _exactly(stream, length)


def read_json(stream: BinaryIO) -> Json:
    """The next message, a JSON object."""
    found = json.loads(read_frame(stream))
    return dict(found)


def answer(document: Json) -> None:
    """A line of JSON for the adapter."""
    sys.stdout.buffer.write(json.dumps(document).encode() + b"\n")
    sys.stdout.buffer.flush()


def _exactly(stream: BinaryIO, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        chunk = stream.read(length - len(data))
        if not chunk:
            raise EOFError("the stream ended in the middle of a message")
        data += chunk
    return bytes(data)
