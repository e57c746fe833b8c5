"""Unpacking what came from elsewhere into a working folder, and never out of it. Standard library only."""

import hashlib
import os
import pathlib
import shutil
import tarfile

from workbenchx import errors


def inside(work: pathlib.Path, path: str) -> pathlib.Path:
    """The absolute place of a path of the order. Stalled(InvalidPath) if it leads out, also by a link."""
    target = pathlib.Path(os.path.realpath(work / path))
    if path.startswith("/") or not target.is_relative_to(os.path.realpath(work)):
        raise errors.Stalled(
            f'path leads out of the working folder: "{path}"', reason="InvalidPath"
        )
    return target


def unpack(
    archive: pathlib.Path, work: pathlib.Path, target: pathlib.Path, member: str | None
) -> None:
    """Unpack a tar at `target`, or only one file or folder of it. Stalled(InvalidArchive, InputMissing)."""
    found = member is None
    prefix = "" if member is None else os.path.normpath(member)
    try:
        with tarfile.open(archive) as tar:
            for entry in tar:
                name = os.path.normpath(entry.name)
                if member is None or name == prefix or name.startswith(f"{prefix}/"):
                    found = True
                    below = name if member is None else name.removeprefix(prefix).lstrip("/")
                    _place(tar, entry, work, target / below)
    except tarfile.TarError as problem:
        raise errors.Stalled(f"archive is damaged: {problem}", reason="InvalidArchive") from problem
    if not found:
        raise errors.Stalled(f'archive has no member "{member}"', reason="InputMissing")


def _place(
    tar: tarfile.TarFile, entry: tarfile.TarInfo, work: pathlib.Path, target: pathlib.Path
) -> None:
    """One member, written only where no name and no link leads out of the working folder."""
    target = pathlib.Path(os.path.normpath(target))
    if target == work or entry.isdir():
        _within(work, target, entry).mkdir(parents=True, exist_ok=True)
        return
    _within(work, target.parent, entry).mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if entry.issym():
        _within(work, target.parent / entry.linkname, entry)
        target.symlink_to(entry.linkname)
    elif (source := tar.extractfile(entry)) is not None:
        with source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
        target.chmod((entry.mode & 0o755) | 0o644)
    else:
        raise _hostile(entry)


def _within(work: pathlib.Path, place: pathlib.Path, entry: tarfile.TarInfo) -> pathlib.Path:
    real = pathlib.Path(os.path.realpath(place))
    if not real.is_relative_to(os.path.realpath(work)) or entry.name.startswith("/"):
        raise _hostile(entry)
    return real


def _hostile(entry: tarfile.TarInfo) -> errors.Stalled:
    return errors.Stalled(
        f'archive member is refused: "{entry.name}" leads out of the folder or is no file',
        reason="InvalidArchive",
    )


def expect(target: pathlib.Path, path: str, wanted: str) -> None:
    """Stalled(DigestMismatch) unless the file at `target`, of the order's `path`, has the sha256 `wanted`."""
    try:
        with target.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
    except IsADirectoryError:
        digest = "a folder"
    if digest != wanted:
        raise errors.Stalled(
            f'input "{path}" is not what was declared: sha256 {digest}, not {wanted}',
            reason="DigestMismatch",
        )
