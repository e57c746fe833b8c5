"""What asks the hand of an agent's workspace (see workspace_hand), or clears up after it. Standard library only.

It is started for every operation, so it needs as few modules as it can.
"""

import binascii
import contextlib
import os
import socket
import sys
import time
import zlib

PLACE = ".workspace"
NO_HAND = 75
_INLINE = 24 << 10
_PATIENCE = 120.0


def ask(ticket: str, more: str, data: str) -> None:
    """Pass a request on, the last piece of which this is; what is large is answered by a file.

    `more`: `more` pieces come, this is the `last`, or it is that and the hand is being started (`first`): wait for it.
    """
    if more != "first" and not os.path.exists(PLACE):  # noqa: PTH110 - without another module
        sys.exit(NO_HAND)
    pieces = f"{PLACE}/{ticket}.request"
    if more == "more":
        with open(pieces, "a", encoding="ascii") as file:  # noqa: PTH123 - the same
            file.write(data)
        return
    with contextlib.suppress(FileNotFoundError), open(pieces, encoding="ascii") as file:  # noqa: PTH123
        data = file.read() + data
        os.unlink(pieces)  # noqa: PTH108
    with _reached() as connection:
        connection.sendall(zlib.decompress(binascii.a2b_base64(data)) + b"\n")
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    if len(answer) > _INLINE:
        target = f"{PLACE}/{ticket}.answer"
        with open(target, "wb") as file:  # noqa: PTH123
            file.write(answer)
        answer = b'{"file": "%s"}' % target.encode()
    print(binascii.b2a_base64(answer, newline=False).decode())  # noqa: T201 - the answer


def drop(path: str) -> None:
    """An answer has been read."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - without another module


def _reached() -> socket.socket:
    end = time.monotonic() + _PATIENCE
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(f"{PLACE}/socket")
        except OSError:
            connection.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return connection


if __name__ == "__main__":
    if sys.argv[1] == "ask":
        ask(*sys.argv[2:])
    else:
        drop(*sys.argv[2:])
