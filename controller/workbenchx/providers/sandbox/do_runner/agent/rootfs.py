"""Layers into a root file system. Unpacked in a child that has that folder as its root: no name leads out of it.

Standard library only. Devices are left out, owners are ours: the program is one unprivileged user.
"""

import contextlib
import os
import pathlib
import shutil
import tarfile
from typing import NoReturn

from workbenchx import errors
from workbenchx.providers.sandbox.do_runner.agent import registry

_GONE, _ALL_GONE = ".wh.", ".wh..wh..opq"
_PIECE = 1 << 20


def unpack(layers: list[registry.Layer], root: pathlib.Path) -> None:
    """All layers, the lowest first.

    Raises:
        errors.Stalled: reason RuntimeUnavailable: a layer is damaged, or of a kind that is not known here.
    """
    root.mkdir(parents=True, exist_ok=True)
    for layer in layers:
        if "zstd" in layer.media_type:
            raise _damaged(layer, "it is packed by zstd, which is not known here; push it as gzip")
        told, tell = os.pipe()
        with layer.path.open("rb") as source:
            child = os.fork() or _child(source.fileno(), root, tell)
        os.close(tell)
        with os.fdopen(told, "rb") as stream:
            why = stream.read().decode("utf-8", "replace")
        _, status = os.waitpid(child, 0)
        if status or why:
            raise _damaged(layer, why or f"status {status}")


def _child(source: int, root: pathlib.Path, tell: int) -> NoReturn:
    code = 1
    try:
        os.chroot(root)
        os.chdir("/")
        with os.fdopen(source, "rb", closefd=False) as stream:
            _layer(stream)
        code = 0
    except (OSError, tarfile.TarError, EOFError, ValueError) as problem:
        os.write(tell, repr(problem).encode()[:1000])
    finally:
        os._exit(code)


def _layer(stream: "os.PathLike[str] | object") -> None:
    with tarfile.open(fileobj=stream, mode="r|*") as tar:  # type: ignore[call-overload] # a binary file
        for entry in tar:
            path = pathlib.Path("/", entry.name)
            if path.name == _ALL_GONE:
                for each in list(path.parent.iterdir()) if path.parent.is_dir() else ():
                    _remove(each)
            elif path.name.startswith(_GONE):
                _remove(path.parent / path.name.removeprefix(_GONE))
            elif path != pathlib.Path("/"):
                _place(tar, entry, path)


def _place(tar: tarfile.TarFile, entry: tarfile.TarInfo, path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if entry.isdir():
        if not path.is_dir():
            _remove(path)
            path.mkdir()
        path.chmod((entry.mode & 0o7777) | 0o700)
        return
    _remove(path)
    if entry.issym():
        path.symlink_to(entry.linkname)
    elif entry.islnk():
        os.link(pathlib.Path("/", entry.linkname), path, follow_symlinks=False)
    elif (source := tar.extractfile(entry)) is not None:
        with source, path.open("wb") as sink:
            shutil.copyfileobj(source, sink, _PIECE)
        path.chmod((entry.mode & 0o777) | 0o400)


def _remove(path: pathlib.Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def _damaged(layer: registry.Layer, why: str) -> errors.Stalled:
    return errors.Stalled(
        f'image cannot be unpacked: layer "{layer.path.name}": {why}', reason="RuntimeUnavailable"
    )
