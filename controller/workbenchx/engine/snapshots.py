"""A project's code as one content-addressed tar: same files, same bytes, whatever the machine or the day.

Every run names the snapshot it ran, so it can be run again, also when the work tree was not committed.
"""

import hashlib
import os
import pathlib
import stat
import tarfile
from collections.abc import AsyncIterator, Iterator, Sequence

from workbenchx import errors, ports
from workbenchx.planner import model

LIMIT = 256 * 1024 * 1024
_BLOCK = tarfile.BLOCKSIZE
_END = b"\0" * (2 * _BLOCK)


async def take(
    storage: ports.StorageProvider | None,
    root: pathlib.Path,
    path: str,
    files: Sequence[str],
    commit: str | None,
) -> model.Code:
    """Store `files` (relative to `root`, all under `path`) and name the result. Names in the tar are below `path`.

    Without a `storage` the result is only named: a plan writes nothing.

    Raises:
        errors.Stalled: reason SnapshotTooLarge or SnapshotFailed.
    """
    try:
        pieces = tar(root, path, files)
        sha256 = (await storage.put(_stream(pieces))).sha256 if storage else _digest(pieces)
    except OSError as problem:
        raise errors.Stalled(
            f'code snapshot of "{path}" failed: {problem.strerror}', reason="SnapshotFailed"
        ) from problem
    return model.Code(sha256=sha256, commit=commit)


def tar(root: pathlib.Path, path: str, files: Sequence[str]) -> Iterator[bytes]:
    """The canonical tar in pieces: sorted names, zero times and owners, modes 0644 or 0755, no links.

    Raises:
        errors.Stalled: reason SnapshotTooLarge.
    """
    base, size = root / path, 0
    for name in sorted(files):
        for piece in _member(root / name, os.path.relpath(root / name, base)):
            size += len(piece)
            yield piece
        _check_size(base, size)
    yield _END


def _member(file: pathlib.Path, name: str) -> Iterator[bytes]:
    """One file: header, content, padding. A link is left out, and so is a file that vanished meanwhile."""
    try:
        info = file.lstat()
        if not stat.S_ISREG(info.st_mode):
            return
        _check_size(file, info.st_size)
        content = file.read_bytes()
    except FileNotFoundError:
        return
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o755 if info.st_mode & stat.S_IXUSR else 0o644
    yield member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    yield content
    yield b"\0" * (-len(content) % _BLOCK)


def _check_size(path: pathlib.Path, size: int) -> None:
    if size > LIMIT:
        raise errors.Stalled(
            f'code snapshot: "{path}" is larger than {LIMIT >> 20} MiB: keep data out of the code '
            "folder",
            reason="SnapshotTooLarge",
        )


def _digest(pieces: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


async def _stream(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
