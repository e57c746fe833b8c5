"""The folder of one sandbox, and its lock. Shared by both halves; standard library only.

```
<name>/spec.json    what was ordered              work/ home/ tmp/   what the program may write
       lock         held while somebody acts       started            made once, before the command starts
       live.json    what runs now                  log                output
       status.json  how it ended                   control            the supervisor's socket
       beside/      how commands beside it ended, by their keys
```

Nothing is synced to disk on the way: after a power cut the boot id tells that what lies here may be torn, and only a
status marked `durable` is believed then.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import struct
from typing import Any

Json = dict[str, Any]

# struct flock of 64-bit Linux: type, whence, start, length, pid (0, as open-file-description locks ask for).
_FLOCK = "hhqqi4x"


class Folder:
    """Paths of one sandbox."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.spec = path / "spec.json"
        self.work = path / "work"
        self.home = path / "home"
        self.tmp = path / "tmp"
        self.log = path / "log"
        self.lock = path / "lock"
        self.started = path / "started"
        self.live = path / "live.json"
        self.status = path / "status.json"
        self.control = path / "control"
        self.beside = path / "beside"


def read(path: pathlib.Path) -> Json | None:
    """The JSON object in a file; None if there is none, or only a torn one."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write(path: pathlib.Path, document: Json) -> None:
    """Replace a file by a JSON object, whole or not at all."""
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(document))
    temporary.rename(path)


def hold(path: pathlib.Path, *, wait: bool = False) -> int | None:
    """Lock a file; the descriptor to close when done. None if another holds it (`wait` False) or it is gone."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    command = fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK
    try:
        fcntl.fcntl(descriptor, command, struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def held(path: pathlib.Path) -> bool:
    """Whether somebody holds the lock. Looks only: never in the way of one who tries."""
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            query = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, query)
        finally:
            os.close(descriptor)
        return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)
    return False


def boot() -> str:
    """The id of this boot of the machine."""
    return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
