"""Where things lie inside a sandbox's pod. Standard library only."""

import json
import pathlib
import struct
import sys
from typing import BinaryIO

from workbenchx.providers.sandbox.supervision import layout

KIT = "/wbx/kit"
BOX = "/wbx/box"
TERMINATION_LOG = "/dev/termination-log"
PACKAGE = "workbenchx.providers.sandbox.kubernetes.inside"
_LONGEST_HEADER = 1 << 24

Json = dict[str, object]


def folder() -> layout.Folder:
    """The sandbox of this pod."""
    return layout.Folder(pathlib.Path(BOX))


def command(module: str, *arguments: str) -> list[str]:
    """A command of the kit: its own loader and libraries, so that the image around it does not matter."""
    python = f"{KIT}/bin/python3"
    loader = [f"{KIT}/loader", "--library-path", f"{KIT}/so", "--argv0", python, python]
    return [*loader, "-I", "-S", "-B", "-m", f"{PACKAGE}.{module}", *arguments]


def gate() -> pathlib.Path:
    """The socket on which the first process waits for the order to start."""
    return pathlib.Path(BOX, "gate")


def staged() -> pathlib.Path:
    """Made once every file of the order lies in its place."""
    return pathlib.Path(BOX, "staged")


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
