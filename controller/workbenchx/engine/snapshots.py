"""A project's code as one content-addressed tar: same files, same bytes, whatever the machine or the day.

Every run names the snapshot it ran, so it can be run again, also when the work tree was not committed.
"""

import asyncio
import io
import os
import pathlib
import stat
import tarfile
import tempfile
from collections.abc import Sequence

from workbenchx import errors, ports
from workbenchx.planner import model

LIMIT = 256 * 1024 * 1024


async def take(
    storage: ports.StorageProvider,
    root: pathlib.Path,
    path: str,
    files: Sequence[str],
    commit: str | None,
) -> model.Code:
    """Store `files` (relative to `root`, all under `path`) and name the result. Names in the tar are below `path`.

    Raises:
        errors.Stalled: reason SnapshotTooLarge or SnapshotFailed.
    """
    with tempfile.TemporaryDirectory(prefix="wbx-snapshot-") as folder:
        target = pathlib.Path(folder) / "code.tar"
        try:
            await asyncio.to_thread(write, target, root, path, files)
        except OSError as problem:
            raise errors.Stalled(
                f'code snapshot of "{path}" failed: {problem.strerror}', reason="SnapshotFailed"
            ) from problem
        blob = await storage.put_file(target)
    return model.Code(sha256=blob.sha256, commit=commit)


def write(target: pathlib.Path, root: pathlib.Path, path: str, files: Sequence[str]) -> None:
    """Write the canonical tar: sorted names, zero times and owners, modes 0644 or 0755, no links."""
    base = root / path
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as archive:
        for name in sorted(files):
            _add(archive, root / name, os.path.relpath(root / name, base))
            if target.stat().st_size > LIMIT:
                raise errors.Stalled(
                    f'code snapshot of "{path}" is larger than {LIMIT >> 20} MiB: keep data out '
                    "of the code folder",
                    reason="SnapshotTooLarge",
                )


def _add(archive: tarfile.TarFile, file: pathlib.Path, name: str) -> None:
    try:
        info = file.lstat()
        if not stat.S_ISREG(info.st_mode):
            return
        content = file.read_bytes()
    except FileNotFoundError:
        return
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o755 if info.st_mode & 0o100 else 0o644
    archive.addfile(member, io.BytesIO(content))
