"""What the adapter executes in a sandbox: one short process for each call. Standard library only.

The answer is lines on the standard output: JSON, or base64 where it is bytes, since the vendor passes on text only. What is
refused is one line of JSON on the standard error, `{"reason", "message"}`, and exit code 3. Nothing here lives for long: who
asked may be gone, and nobody else ends it.
"""

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import secrets
import select
import shutil
import socket
import sys
import time
from collections.abc import Callable

from workbenchx import errors
from workbenchx.providers.sandbox.inside import places, talking
from workbenchx.providers.sandbox.inside import tools as common
from workbenchx.providers.sandbox.supervision import archive, layout, opening, unpacking

INCOMING, OFFERS = "incoming", "offers"
_PIECE = 96 << 10
_MOMENT, _FIRST_LOOK, _USUAL_LOOK = 0.02, 0.02, 0.2
_START_PATIENCE = 30.0
_OFFER_SECONDS = 3600.0


def adopt(token: str) -> None:
    """Put what was uploaded below `incoming/TOKEN` in its places; once, whoever comes first."""
    folder = places.folder()
    given = folder.path / INCOMING / token
    with (folder.path / "staging").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            if not places.staged().exists():
                _adopt(folder, given)
        finally:
            shutil.rmtree(given, ignore_errors=True)
    peek()


def _adopt(folder: layout.Folder, given: pathlib.Path) -> None:
    header = layout.read(given / "header.json")
    if header is None:
        raise errors.Stalled("its order did not arrive", reason="SandboxUnavailable")
    common.empty(folder)
    for file in header["files"]:
        _place(folder, file, given / file["sha256"])
    layout.write(folder.spec, header["order"])
    folder.lock.touch()
    places.staged().touch()


def _place(folder: layout.Folder, file: layout.Json, incoming: pathlib.Path) -> None:
    target = unpacking.inside(folder.work, file["path"])
    with incoming.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
    common.check_arrived(file, digest)
    if not file["unpack"] and file["member"] is None:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(incoming, target)
    else:
        common.unpack(folder, file, incoming, target)


def begun() -> None:
    """Wait until the box has started the program, or never will: what there is then."""
    folder, end = places.folder(), time.monotonic() + _START_PATIENCE
    while not (folder.live.exists() or folder.status.exists()) and time.monotonic() < end:
        time.sleep(_MOMENT)
    peek()


def peek() -> None:
    """What there is: `making` (its files are not all there), `created`, `running` or how it ended."""
    folder = places.folder()
    known = _seen(folder)
    if known.get("reason") == "Lost":
        known = _seen(folder)  # it may have ended between two looks
    asked = (layout.read(folder.spec) or {}).get("asked")
    places.answer({**known, "asked": asked, "log_bytes": common.size(folder.log)})


def _seen(folder: layout.Folder) -> places.Json:
    status = layout.read(folder.status)
    if status is not None:
        return status
    if not places.staged().exists():
        return {"state": "making"}
    if not folder.started.exists():
        return {"state": "created"}
    if layout.held(folder.lock):
        return {"state": "running", **(layout.read(folder.live) or {})}
    return {"state": "exited", "reason": "Lost", "message": "its supervisor is gone"}


def wait(seconds: str) -> None:
    """Return when the program has ended, or after a while: what there is then."""
    folder, end = places.folder(), time.monotonic() + float(seconds)
    while time.monotonic() < end and _seen(folder)["state"] == "running":
        control = talking.control(folder)
        if control is None:
            time.sleep(_MOMENT)
            continue
        with control:
            _until_closed(control, end)
    peek()


def _until_closed(control: socket.socket, end: float) -> None:
    with contextlib.suppress(OSError):
        while (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select([control], [], [], left)
            if ready and not control.recv(4096):
                return


def stop(reason: str) -> None:
    """End the program, or see to it that it never starts; the answer is how it ended."""
    if places.staged().exists():
        talking.stop(reason)
    peek()


def execute(order: str) -> None:
    """Run a command beside the program: key, argv and timeout as JSON; the answer is how it ended."""
    ended = talking.execute(json.loads(order)) if places.staged().exists() else None
    places.answer({"ended": ended})


def extend(deadline: str) -> None:
    """Move the deadline, in seconds since 1970: of what runs, or of what will."""
    folder = places.folder()
    while places.staged().exists() and not folder.status.exists():
        if folder.started.exists() and folder.live.exists():
            talking.extend(float(deadline))
            break
        if folder.started.exists() and not layout.held(folder.lock):
            break
        if not folder.started.exists() and _reorder(folder, float(deadline)):
            break
        time.sleep(_MOMENT)
    peek()


def _reorder(folder: layout.Folder, deadline: float) -> bool:
    """Under the lock that every start takes; False if somebody has it."""
    lock = layout.hold(folder.lock)
    if lock is None:
        return False
    try:
        if not folder.started.exists():
            layout.write(folder.spec, {**(layout.read(folder.spec) or {}), "deadline": deadline})
            return True
    finally:
        os.close(lock)
    return False


def log(offset: str, limit: str) -> None:
    """A part of the output."""
    with contextlib.suppress(FileNotFoundError), places.folder().log.open("rb") as source:
        _say(os.pread(source.fileno(), int(limit), int(offset)))


def follow(offset: str, seconds: str) -> None:
    """The output from `offset` on; a line `end` once there will be no more, none if only the time is over."""
    folder, at = places.folder(), int(offset)
    pause, end = _FIRST_LOOK, time.monotonic() + float(seconds)
    while time.monotonic() < end:
        over = _seen(folder)["state"] not in {"created", "running"}
        data = _part(folder.log, at)
        at += len(data)
        if data:
            _say(data)
        elif over:
            sys.stdout.write("end\n")
            return
        pause = _FIRST_LOOK if data else min(_USUAL_LOOK, pause * 1.5)
        if not over and not data:
            time.sleep(pause)


def _part(path: pathlib.Path, at: int) -> bytes:
    with contextlib.suppress(FileNotFoundError), path.open("rb") as source:
        return os.pread(source.fileno(), _PIECE, at)
    return b""


def _say(data: bytes) -> None:
    for begin in range(0, len(data), _PIECE):
        sys.stdout.write(base64.b64encode(data[begin : begin + _PIECE]).decode() + "\n")
    sys.stdout.flush()


def offer(path: str) -> None:
    """A regular file of the working folder under a name that no link can lead elsewhere: the answer names it."""
    folder = places.folder()
    descriptor = opening.open_regular(folder.work, path)
    try:
        target = _offered(folder)
        try:
            os.link(f"/proc/self/fd/{descriptor}", target, follow_symlinks=True)
        except OSError:
            with os.fdopen(os.dup(descriptor), "rb") as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
    finally:
        os.close(descriptor)
    places.answer({"name": target.name, "bytes": target.stat().st_size})


def save() -> None:
    """The working folder as one tar, offered as a file is."""
    folder = places.folder()
    target = _offered(folder)
    with target.open("wb") as sink:
        for piece in archive.pieces(folder.work):
            sink.write(piece)
    places.answer({"name": target.name, "bytes": target.stat().st_size})


def withdraw(name: str) -> None:
    """What was offered has been read."""
    (places.folder().path / OFFERS / pathlib.PurePath(name).name).unlink(missing_ok=True)


def _offered(folder: layout.Folder) -> pathlib.Path:
    """A new name; what somebody offered long ago and never withdrew goes."""
    offers = folder.path / OFFERS
    offers.mkdir(exist_ok=True)
    for each in offers.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if time.time() - each.lstat().st_ctime > _OFFER_SECONDS:
                each.unlink()
    return offers / secrets.token_hex(8)


VERBS: dict[str, Callable[..., None]] = {
    "adopt": adopt,
    "begun": begun,
    "peek": peek,
    "wait": wait,
    "stop": stop,
    "execute": execute,
    "extend": extend,
    "log": log,
    "follow": follow,
    "offer": offer,
    "save": save,
    "withdraw": withdraw,
}


def main(verb: str, arguments: list[str]) -> int:
    """The exit code."""
    return common.perform(VERBS[verb], arguments)
