"""Opening what a program left in its working folder. Standard library only."""

import os
import pathlib
import stat

from workbenchx import errors


def open_regular(work: pathlib.Path, path: str) -> int:
    """Open a regular file without following a link at any step, also while the program changes the folder."""
    parts = pathlib.PurePosixPath(path).parts
    problem = errors.Stalled(
        f'output is missing: "{path}" is not a regular file of the working folder',
        reason="OutputMissing",
    )
    if not parts or path.startswith("/") or ".." in parts:
        raise problem
    try:
        descriptor = _descend(work, parts)
    except OSError as why:
        raise problem from why
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise problem
    return descriptor


def _descend(work: pathlib.Path, parts: tuple[str, ...]) -> int:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    folder = os.open(work, flags | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            below = os.open(part, flags | os.O_DIRECTORY, dir_fd=folder)
            os.close(folder)
            folder = below
        return os.open(parts[-1], flags | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)
