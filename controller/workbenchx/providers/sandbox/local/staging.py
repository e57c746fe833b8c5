"""What lies in a working folder before the command starts: blobs, unpacked archives, single members of archives."""

import asyncio
import errno
import pathlib
import shutil

from workbenchx import errors, ports
from workbenchx.providers.sandbox.supervision import unpacking

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
    target = unpacking.inside(work, file.path)
    if not file.unpack and file.member is None:
        target.parent.mkdir(parents=True, exist_ok=True)
        await _write(storage, file.sha256, target)
        return
    archive = work.parent / "incoming.tar"
    await _write(storage, file.sha256, archive)
    await asyncio.to_thread(unpacking.unpack, archive, work, target, file.member)
    archive.unlink()
    if file.expect is not None:
        await asyncio.to_thread(unpacking.expect, target, file.path, file.expect)


async def _write(storage: ports.StorageProvider, sha256: str, target: pathlib.Path) -> None:
    with target.open("wb") as sink:
        async for chunk in storage.open(sha256):
            if len(chunk) <= _INLINE:
                sink.write(chunk)
            else:
                await asyncio.to_thread(sink.write, chunk)


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
