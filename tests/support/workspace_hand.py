"""The hand of an agent's workspace in a session: it carries out what each asker passes on. Standard library only.

It is one command beside the session's program, so what it starts lives until the session ends, and no longer. Who asks
(workspace_asker) is a command of its own that waits for the answer; if it is ended, so is the command that it waits for.
Both are told their place, the working folder, by where they are started.
"""

import base64
import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import socketserver
import stat
import subprocess
import tempfile
import threading
from collections.abc import Callable
from typing import IO, Any

Json = dict[str, Any]

PLACE = ".workspace"
LIMIT = 10 << 20
_HEAD = 64 << 10


class Hand:
    """Everything that runs in the foreground, by its ticket."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._running: dict[str, int] = {}
        self._ended: set[str] = set()

    def where(self, request: Json, caller: socket.socket) -> Json:
        """The working folder."""
        return {"path": self.root}

    def end(self, request: Json, caller: socket.socket) -> Json:
        """End what runs for a ticket, or see to it that it never starts."""
        with self._lock:
            self._ended.add(request["whose"])
            if request["whose"] in self._running:
                _kill(self._running[request["whose"]])
        return {}

    def run(self, request: Json, caller: socket.socket) -> Json:
        """Return when the command itself has ended; what it left in the background goes on."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            try:
                process = self._begin(request, out, err)
            except (FileNotFoundError, PermissionError) as problem:
                if problem.filename != request["argv"][0]:
                    raise
                code = 127 if isinstance(problem, FileNotFoundError) else 126
                return {"code": code, "out": "", "err": f"{problem.strerror}: {problem.filename}\n"}
            late = _attend(process, caller, request["timeout"])
            with self._lock:
                del self._running[request["ticket"]]
            code = process.wait()
            return _told(code if code >= 0 else 128 - code, out, err) | {"late": late}

    def _begin(self, request: Json, out: IO[bytes], err: IO[bytes]) -> "subprocess.Popen[bytes]":
        with self._lock:
            if request["ticket"] in self._ended:
                raise TimeoutError("it was given up before it began")
            process = subprocess.Popen(
                request["argv"],
                cwd=self.root,
                env={**os.environ, **request["env"]},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            self._running[request["ticket"]] = process.pid
        return process

    def read(self, request: Json, caller: socket.socket) -> Json:
        """A regular file; one that would keep a reader waiting is refused."""
        descriptor = os.open(request["path"], os.O_RDONLY | os.O_NONBLOCK)
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, descriptor)
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(mode):
                raise IsADirectoryError(request["path"])
            if not stat.S_ISREG(mode):
                raise OSError(f"not a regular file: {request['path']}")
            with open(descriptor, "rb", closefd=False) as file:
                return {"data": base64.b64encode(file.read()).decode()}

    def write(self, request: Json, caller: socket.socket) -> Json:
        """Replace what is in a file, through links."""
        path = pathlib.Path(request["path"])
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError as problem:
            raise NotADirectoryError(str(path)) from problem
        if path.exists() and not path.is_file() and not path.is_dir():
            raise OSError(f"not a regular file: {path}")
        path.write_bytes(base64.b64decode(request["data"]))
        return {}

    def stat(self, request: Json, caller: socket.socket) -> Json:
        """What is there."""
        return _entry(pathlib.Path(request["path"]), strict=True)

    def list(self, request: Json, caller: socket.socket) -> Json:
        """What is in a folder."""
        folder = pathlib.Path(request["path"])
        return {"entries": [_entry(each) for each in sorted(folder.iterdir())]}

    def make(self, request: Json, caller: socket.socket) -> Json:
        """A folder, with those above it."""
        pathlib.Path(request["path"]).mkdir(parents=True, exist_ok=True)
        return {}

    def remove(self, request: Json, caller: socket.socket) -> Json:
        """A file, a link, or a folder with all that is in it."""
        path = pathlib.Path(request["path"])
        kept = pathlib.Path(self.root)
        if not path.is_symlink() and path.resolve() in (kept, *kept.parents):
            raise ValueError(f"the working folder and those above it stay: {path}")
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
        return {}

    def exists(self, request: Json, caller: socket.socket) -> Json:
        """Whether there is something."""
        return {"exists": pathlib.Path(request["path"]).exists()}

    def resolve(self, request: Json, caller: socket.socket) -> Json:
        """Where a path leads."""
        return {"path": os.path.realpath(request["path"])}


def _attend(process: "subprocess.Popen[bytes]", caller: socket.socket, limit: float | None) -> bool:
    """Until the command has ended; it is ended when its time is over (true) or nobody waits for it any more."""
    ended = os.pidfd_open(process.pid)
    try:
        watched: list[int | socket.socket] = [ended, caller]
        ready, _, _ = select.select(watched, [], [], limit)
        if ended not in ready:
            _kill(process.pid)
        return not ready
    finally:
        os.close(ended)


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _told(code: int, out: IO[bytes], err: IO[bytes]) -> Json:
    sizes = [each.seek(0, os.SEEK_END) for each in (out, err)]
    limit = LIMIT if sum(sizes) <= LIMIT else _HEAD
    texts = []
    for each in (out, err):
        each.seek(0)
        texts.append(each.read(limit).decode(errors="replace"))
    return {"code": code, "out": texts[0], "err": texts[1], "cut": sum(sizes) > LIMIT}


def _entry(path: pathlib.Path, *, strict: bool = False) -> Json:
    size = None
    try:
        found = path.stat()
        folder = stat.S_ISDIR(found.st_mode)
        size = None if folder else found.st_size
    except OSError:
        if strict:
            raise
        folder = False
    return {"name": path.name, "path": str(path), "is_dir": folder, "size": size}


class _Handler(socketserver.StreamRequestHandler):
    """One request of one `ask`."""

    def handle(self) -> None:
        """Carry it out, and say what came of it."""
        answer = self._answer(json.loads(self.rfile.readline()))
        with contextlib.suppress(OSError):
            self.wfile.write(json.dumps(answer).encode())

    def _answer(self, request: Json) -> Json:
        hand: Hand = self.server.hand  # type: ignore[attr-defined] # as `serve` made it
        try:
            verb: Callable[[Json, socket.socket], Json] = getattr(hand, request["verb"])
            return verb(request, self.connection)
        except (OSError, ValueError) as problem:
            return {"error": type(problem).__name__, "message": str(problem)}


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64


def serve() -> None:
    """Until the session ends. The socket is there, under its name, once it is listened to."""
    place = pathlib.Path(PLACE)
    place.mkdir(exist_ok=True)
    with _Server(f"{PLACE}/new", _Handler) as server:
        server.hand = Hand(os.path.realpath("."))  # type: ignore[attr-defined] # for the handlers
        (place / "new").rename(place / "socket")
        server.serve_forever()


if __name__ == "__main__":
    serve()
