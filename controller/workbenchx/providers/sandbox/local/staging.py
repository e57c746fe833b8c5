"""What lies in a working folder before the command starts: blobs, unpacked archives, single members of archives."""

import asyncio
import errno
import hashlib
import os
import pathlib
import shutil
import tarfile

from workbenchx import errors, ports

_INLINE = 1 << 16


async def stage(
    storage: ports.StorageProvider, spec: ports.SandboxSpec, work: pathlib.Path
) -> None:
    """Put every file of the order in its place. Stalled(InvalidArchive, InputMissing, InvalidPath, DiskFull)."""
    for file in spec.files:
        try:
            await _one(storage, file, work)
        except OSError as problem:
            raise _refused(work, file, problem) from problem


async def _one(storage: ports.StorageProvider, file: ports.StagedFile, work: pathlib.Path) -> None:
    target = inside(work, file.path)
    if not file.unpack and file.member is None:
        target.parent.mkdir(parents=True, exist_ok=True)
        await _write(storage, file.sha256, target)
        return
    archive = work.parent / "incoming.tar"
    await _write(storage, file.sha256, archive)
    await asyncio.to_thread(_unpack, archive, work, target, file.member)
    archive.unlink()
    if file.expect is not None:
        await asyncio.to_thread(_expect, target, file)


def _expect(target: pathlib.Path, file: ports.StagedFile) -> None:
    try:
        with target.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
    except IsADirectoryError:
        digest = "a folder"
    if digest != file.expect:
        raise errors.Stalled(
            f'input "{file.path}" is not what was declared: sha256 {digest}, not {file.expect}',
            reason="DigestMismatch",
        )


async def _write(storage: ports.StorageProvider, sha256: str, target: pathlib.Path) -> None:
    with target.open("wb") as sink:
        async for chunk in storage.open(sha256):
            if len(chunk) <= _INLINE:
                sink.write(chunk)
            else:
                await asyncio.to_thread(sink.write, chunk)


def inside(work: pathlib.Path, path: str) -> pathlib.Path:
    """The absolute place of a path of the order. Stalled(InvalidPath) if it leads out, also by a link."""
    target = pathlib.Path(os.path.realpath(work / path))
    if path.startswith("/") or not target.is_relative_to(os.path.realpath(work)):
        raise errors.Stalled(
            f'path leads out of the working folder: "{path}"', reason="InvalidPath"
        )
    return target


def _unpack(
    archive: pathlib.Path, work: pathlib.Path, target: pathlib.Path, member: str | None
) -> None:
    found = member is None
    prefix = "" if member is None else os.path.normpath(member)
    try:
        with tarfile.open(archive) as tar:
            for entry in tar:
                name = os.path.normpath(entry.name)
                if member is None or name == prefix or name.startswith(f"{prefix}/"):
                    found = True
                    _place(tar, entry, work, target / os.path.relpath(name, prefix or "."))
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


def _refused(work: pathlib.Path, file: ports.StagedFile, problem: OSError) -> errors.Stalled:
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        left = shutil.disk_usage(work).free
        return errors.Stalled(
            f'disk is full: "{work.parent.parent}" has {left} bytes left for "{file.path}"',
            reason="DiskFull",
        )
    return errors.Stalled(
        f'file cannot be staged: "{file.path}": {problem.strerror}', reason="InvalidPath"
    )
