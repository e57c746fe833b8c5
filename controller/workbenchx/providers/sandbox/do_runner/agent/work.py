"""The one sandbox of this machine: its files, its command under our supervisor, what it left. Standard library only."""

import contextlib
import errno
import hashlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

from workbenchx import errors
from workbenchx.providers.sandbox.do_runner.agent import (
    calls,
    proving,
    registry,
    rootfs,
    walls,
)
from workbenchx.providers.sandbox.supervision import archive, beside, layout, opening, unpacking

_PIECE = 1 << 16
_RESERVE = 64 << 20


class Work:
    """What was ordered (`ordered`), in `folder`. `bubblewrap`: the sandbox program."""

    def __init__(self, folder: pathlib.Path, bubblewrap: str, ordered: Mapping[str, Any]) -> None:
        self._ordered = ordered
        self._base = folder
        self._root = folder / "root"
        self._bubblewrap = bubblewrap
        self._box = layout.Folder(folder / "box")
        self._image: Mapping[str, Any] = {}
        self.deadline: float | None = None

    @property
    def signs_in(self) -> bool:
        """Whether its image can be had with a sign-in only."""
        return bool(self._ordered.get("signs_in"))

    @property
    def is_session(self) -> bool:
        """Whether its files may be wanted once it has ended."""
        return bool(self._ordered["shape"] == "session")

    def prepare(self, sign_in: Mapping[str, str] | None = None) -> None:
        """The image's root, and every file of the order in its place.

        Raises:
            calls.AwayError: it may work later.
            errors.Stalled: it never will.
        """
        named = registry.read(self._ordered["image"])
        pulled = registry.Puller(named, self._base / "blobs", sign_in).pull()
        self._image = pulled.config
        shutil.rmtree(self._root, ignore_errors=True)
        shutil.rmtree(self._box.path, ignore_errors=True)
        rootfs.unpack(pulled.layers, self._root)
        for each in (self._box.work, self._box.home, self._box.tmp):
            each.mkdir(parents=True)
        for file in self._ordered["files"]:
            self._stage(file)
        layout.write(self._box.spec, {"name": self._ordered.get("name", "")})
        self._box.lock.touch()

    def _stage(self, file: Mapping[str, Any]) -> None:
        try:
            target = unpacking.inside(self._box.work, file["path"])
            incoming = self._box.path / "incoming"
            calls.download(file["url"], incoming, file["sha256"], {})
            if not file["unpack"] and file["member"] is None:
                target.parent.mkdir(parents=True, exist_ok=True)
                incoming.rename(target)
                return
            unpacking.unpack(incoming, self._box.work, target, file["member"])
            incoming.unlink()
            if file["expect"] is not None:
                unpacking.expect(target, file["path"], file["expect"])
        except calls.RefusedError as problem:
            raise errors.Stalled(
                f'input cannot be had: "{file["path"]}": its link answers {problem.status}',
                reason="ArtifactMissing",
            ) from problem
        except OSError as problem:
            full = problem.errno in (errno.ENOSPC, errno.EDQUOT)
            raise errors.Stalled(
                f'file cannot be staged: "{file["path"]}": {problem.strerror}',
                reason="DiskFull" if full else "InvalidPath",
            ) from problem

    def start(self, env: Mapping[str, str]) -> None:
        """Start the command; the supervisor sees to it that this happens once."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.box"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PYTHONPATH": sys.path[0], "PATH": os.environ.get("PATH", "")},
                cwd="/",
                start_new_session=True,
            )
            theirs.close()
            ours.sendall(json.dumps(self._order(env)).encode())
            ours.shutdown(socket.SHUT_WR)
            ours.recv(100)

    def _order(self, env: Mapping[str, str]) -> layout.Json:
        work = self._ordered
        environment = walls.environment(self._image, work, env)
        return {
            "folder": str(self._box.path),
            "shape": work["shape"],
            "argv": work["command"] or ["sleep", "infinity"],
            "isolated": True,
            "bubblewrap": self._bubblewrap,
            "options": walls.options(self._box, self._root, work, environment),
            "seccomp": "",
            "deadline": self.deadline,
            "memory": work["memory"],
            "outputs": work["outputs"],
            "log_limit": work["log_limit"],
            "restart": work["restart"],
            "private_ports": [],
            "shared_ports": {},
            "cores": [],
            "limits": {"RLIMIT_CORE": 0},
            "grace": work["grace"],
            "disk": work["disk"],
            "disk_reserve": _RESERVE,
            "processes": work["processes"],
        }

    # while it runs

    def begun(self) -> bool:
        """Whether the command was started on this machine."""
        return self._box.started.exists()

    def printed(self, at: int) -> bytes:
        """Output from `at` on."""
        try:
            with self._box.log.open("rb") as source:
                return os.pread(source.fileno(), _PIECE, at)
        except FileNotFoundError:
            return b""

    def ended(self) -> layout.Json | None:
        """How it ended; None: it has not."""
        found = layout.read(self._box.status)
        if found is not None or not self._box.started.exists() or layout.held(self._box.lock):
            return found
        lost = {"state": "exited", "reason": "Lost", "message": "its supervisor was killed"}
        return layout.read(self._box.status) or lost

    def tell(self, **order: Any) -> None:
        """An order for the supervisor; nothing where it has ended."""
        descriptor = os.open(self._box.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with socket.socket(socket.AF_UNIX) as stream, contextlib.suppress(OSError):
                stream.connect(f"/proc/self/fd/{descriptor}/{self._box.control.name}")
                stream.sendall(json.dumps(order).encode() + b"\n")
        finally:
            os.close(descriptor)

    def idle_since(self) -> float | None:
        """Since when nobody uses it, as its supervisor saw it; None: it is used."""
        found = (layout.read(self._box.live) or {}).get("idle_since")
        return found if isinstance(found, int | float) else None

    def beside(self, key: str) -> layout.Json | None:
        """How a command beside the program ended; None: none of that key began."""
        return layout.read(beside.ended_at(self._box, key))

    @contextlib.contextmanager
    def packed(self) -> Iterator[int]:
        """The working folder as one tar: an open file, until the end of the block."""
        with tempfile.TemporaryFile(dir=self._base) as sink:
            sink.writelines(archive.pieces(self._box.work))
            sink.flush()
            yield sink.fileno()

    @contextlib.contextmanager
    def opened(self, path: str) -> Iterator[int]:
        """A regular file inside the working folder, open until the end of the block.

        Raises:
            errors.Stalled: reason OutputMissing.
        """
        descriptor = opening.open_regular(self._box.work, path)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    # afterwards

    def outputs(self) -> list[str]:
        """The paths that may be uploaded."""
        return [str(path) for path in self._ordered["outputs"]]

    def open(self, path: str) -> tuple[int, str, int] | None:
        """(descriptor, sha256, bytes) of an output; None: there is no such file."""
        try:
            descriptor = opening.open_regular(self._box.work, path)
        except errors.Stalled:
            return None
        return descriptor, *measured(descriptor)


def proven(descriptor: int, challenge: str) -> str:
    """The proof that we have the bytes of an open file."""
    proof = proving.Proof(challenge)
    with open(descriptor, "rb", closefd=False) as source:
        source.seek(0)
        while data := source.read(_PIECE):
            proof.add(data)
    return proof.told()


def measured(descriptor: int) -> tuple[str, int]:
    """(sha256, bytes) of an open file."""
    with open(descriptor, "rb", closefd=False) as source:
        source.seek(0)
        digest = hashlib.file_digest(source, "sha256").hexdigest()
    return digest, os.fstat(descriptor).st_size
