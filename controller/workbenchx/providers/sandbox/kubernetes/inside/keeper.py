"""The process that keeps a pod, and so its files, after the program ended: until the pod is deleted, or a while is over.

It is the kubelet's ear too: told to end, because a node is drained or somebody deletes the pod, it has the program ended
first, in the program's own time. Standard library only.
"""

import contextlib
import os
import signal
import sys
import threading
import time

from workbenchx.providers.sandbox.inside import places, talking
from workbenchx.providers.sandbox.supervision import layout

_LOOK = 1.0


def main(keep: float) -> None:
    """`keep`: seconds for which files stay readable after the end."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    _watch(told, keep)
    if told.is_set():
        with contextlib.suppress(OSError):
            talking.stop("Lost")


def _watch(told: threading.Event, keep: float) -> None:
    folder, ended = places.folder(), 0.0
    while not told.wait(_LOOK):
        if not ended and (folder.status.exists() or _died(folder)):
            ended = time.monotonic()
        if ended and time.monotonic() - ended > keep:
            return


def _died(folder: layout.Folder) -> bool:
    """The supervisor was killed: it was started, and nobody holds the lock."""
    return folder.started.exists() and not layout.held(folder.lock)


if __name__ == "__main__":
    main(float(sys.argv[1]))
    os._exit(0)
