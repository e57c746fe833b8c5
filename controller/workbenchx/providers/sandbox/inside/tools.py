"""What the adapter executes beside the program: one short process for each call. Standard library only.

Bytes go to the standard output. What is refused is one line of JSON on the standard error, `{"reason", "message"}`, and
exit code 3.
"""

import errno
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import sys
import time
from collections.abc import Callable
from typing import BinaryIO

from workbenchx import errors
from workbenchx.providers.sandbox.inside import places, talking
from workbenchx.providers.sandbox.supervision import archive, layout, opening, unpacking

_PIECE = 1 << 18
_FIRST_LOOK, _USUAL_LOOK = 0.01, 0.2
REFUSED = 3


def stage() -> None:
    """The order and its files, from the standard input; once, whoever comes first.

    A header, then for each file its bytes as messages, an empty one at its end.
    """
    folder, given = places.folder(), sys.stdin.buffer
    with (folder.path / "staging").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if places.staged().exists():
            places.answer({"state": "staged"})
            return
        places.answer({"state": "ready"})
        header = places.read_json(given)
        empty(folder)
        files = header["files"]
        for file in files if isinstance(files, list) else ():
            _stage_one(folder, file, given)
        order = header["order"]
        layout.write(folder.spec, order if isinstance(order, dict) else {})
        folder.lock.touch()
        places.staged().touch()
    places.answer({"state": "staged"})


def empty(folder: layout.Folder) -> None:
    """The three folders that the program may write to, as new."""
    for each in (folder.work, folder.home, folder.tmp):
        shutil.rmtree(each, ignore_errors=True)
        each.mkdir()


def _stage_one(folder: layout.Folder, file: layout.Json, given: BinaryIO) -> None:
    target = unpacking.inside(folder.work, file["path"])
    plain = not file["unpack"] and file["member"] is None
    incoming = target if plain else folder.path / "incoming.tar"
    incoming.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with incoming.open("wb") as sink:
        while piece := places.read_frame(given):
            digest.update(piece)
            sink.write(piece)
    check_arrived(file, digest.hexdigest())
    if not plain:
        unpack(folder, file, incoming, target)
        incoming.unlink()


def check_arrived(file: layout.Json, digest: str) -> None:
    """Stalled(DigestMismatch) unless a file of the order came as it lies in storage."""
    if digest != file["sha256"]:
        raise errors.Stalled(
            f'input "{file["path"]}" came damaged: sha256 {digest}, not {file["sha256"]}',
            reason="DigestMismatch",
        )


def unpack(
    folder: layout.Folder, file: layout.Json, incoming: pathlib.Path, target: pathlib.Path
) -> None:
    """Put what is in an archive of the order in its place, and check it where that was asked for."""
    unpacking.unpack(incoming, folder.work, target, file["member"])
    if file["expect"] is not None:
        unpacking.expect(target, file["path"], file["expect"])


def start() -> None:
    """The order to start, one message on the standard input."""
    if not places.staged().exists():
        raise errors.Stalled("its files were never staged", reason="SandboxMissing")
    message = places.frame(places.read_frame(sys.stdin.buffer))
    places.answer({"state": talking.start(message)})


def stop(reason: str) -> None:
    """End the program; the answer is how it ended."""
    talking.stop(reason)
    look()


def look() -> None:
    """What is known here: how it ended, or what runs, and how much it printed."""
    folder = places.folder()
    known = layout.read(folder.status) or layout.read(folder.live) or {}
    places.answer({**known, "log_bytes": size(folder.log)})


def execute() -> None:
    """Run a command beside the program: key, argv and timeout are one message on the standard input."""
    places.answer({"ended": talking.execute(places.read_json(sys.stdin.buffer))})


def extend(deadline: str) -> None:
    """Move the deadline, in seconds since 1970."""
    talking.extend(float(deadline))


def log(offset: str, limit: str) -> None:
    """A part of the output."""
    try:
        with places.folder().log.open("rb") as source:
            sys.stdout.buffer.write(os.pread(source.fileno(), int(limit), int(offset)))
    except FileNotFoundError:
        return


def follow(offset: str) -> None:
    """The output from `offset` on, until there will be no more."""
    folder, at, pause = places.folder(), int(offset), _FIRST_LOOK
    while True:
        over = folder.status.exists() or _abandoned(folder)
        sent = _send(folder.log, at)
        at += sent
        if over and not sent:
            return
        pause = _FIRST_LOOK if sent else min(_USUAL_LOOK, pause * 1.5)
        if not over:
            time.sleep(pause)


def _abandoned(folder: layout.Folder) -> bool:
    return folder.started.exists() and not layout.held(folder.lock)


def _send(path: pathlib.Path, at: int) -> int:
    try:
        with path.open("rb") as source:
            data = os.pread(source.fileno(), _PIECE, at)
    except FileNotFoundError:
        return 0
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    return len(data)


def read(path: str) -> None:
    """A regular file of the working folder."""
    with os.fdopen(opening.open_regular(places.folder().work, path), "rb") as source:
        shutil.copyfileobj(source, sys.stdout.buffer, _PIECE)


def save() -> None:
    """The working folder as one tar."""
    for piece in archive.pieces(places.folder().work):
        sys.stdout.buffer.write(piece)


def size(path: pathlib.Path) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


_VERBS: dict[str, Callable[..., None]] = {
    "stage": stage,
    "start": start,
    "stop": stop,
    "look": look,
    "execute": execute,
    "extend": extend,
    "log": log,
    "follow": follow,
    "read": read,
    "save": save,
}


def main(verb: str, arguments: list[str]) -> int:
    """The exit code."""
    return perform(_VERBS[verb], arguments)


def perform(verb: Callable[..., None], arguments: list[str]) -> int:
    """Do it, and tell what is refused; the exit code."""
    try:
        verb(*arguments)
        sys.stdout.buffer.flush()
    except errors.WorkbenchError as problem:
        return _refuse(problem.reason, problem.message)
    except EOFError as problem:
        return _refuse("SandboxUnavailable", str(problem))
    except BrokenPipeError:
        os._exit(0)
    except OSError as problem:
        full = problem.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "DiskFull" if full else "InvalidPath"
        return _refuse(reason, f"{problem.strerror}: {problem.filename or 'the sandbox'}")
    return 0


def _refuse(reason: str, message: str) -> int:
    sys.stderr.write(json.dumps({"reason": reason, "message": message}) + "\n")
    return REFUSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
