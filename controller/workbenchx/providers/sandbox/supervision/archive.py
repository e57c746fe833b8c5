"""The working folder as one tar, in pieces: what a snapshot keeps.

Files and folders only: a link, a device or a socket is left out, and so is what vanishes meanwhile. Names are sorted,
times and owners are zero: the same files give the same bytes.
"""

import os
import pathlib
import stat
import tarfile
from collections.abc import Iterator

_PIECE = 1 << 20
_END = b"\0" * (2 * tarfile.BLOCKSIZE)


def pieces(root: pathlib.Path) -> Iterator[bytes]:
    """The tar of everything below `root`, names relative to it."""
    yield from _folder(root, "")
    yield _END


def _folder(root: pathlib.Path, prefix: str) -> Iterator[bytes]:
    try:
        entries = sorted(os.scandir(root / prefix), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        name = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            yield _header(name + "/", tarfile.DIRTYPE, 0o755, 0)
            yield from _folder(root, name + "/")
        elif entry.is_file(follow_symlinks=False):
            yield from _file(root / name, name)


def _file(path: pathlib.Path, name: str) -> Iterator[bytes]:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        status = os.fstat(handle)
        if stat.S_ISREG(status.st_mode):
            mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
            yield _header(name, tarfile.REGTYPE, mode, status.st_size)
            yield from _content(handle, status.st_size)
    finally:
        os.close(handle)


def _content(handle: int, size: int) -> Iterator[bytes]:
    """Exactly `size` bytes, padded to a block: a file that shrinks meanwhile ends in zeros."""
    left = size
    while left:
        data = os.read(handle, min(_PIECE, left)) or b"\0" * min(_PIECE, left)
        left -= len(data)
        yield data
    yield b"\0" * (-size % tarfile.BLOCKSIZE)


def _header(name: str, kind: bytes, mode: int, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.size = kind, mode, size
    return member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
