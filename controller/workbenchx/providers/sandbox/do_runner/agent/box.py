"""The process that becomes the supervisor of the command: the order comes on its standard input, which is a socket.

So the environment of the command is neither on disk nor in a list of processes. Standard library only.
"""

import json
import socket

from workbenchx.providers.sandbox.supervision import supervisor


def main() -> None:
    """Until the command has ended for good."""
    caller = socket.socket(fileno=0)
    said = bytearray()
    while data := caller.recv(1 << 16):
        said += data
    supervisor.serve(caller, json.loads(said))


if __name__ == "__main__":
    main()
