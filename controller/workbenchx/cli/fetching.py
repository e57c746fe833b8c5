"""Bytes of artifacts: to stdout, to a file (whole or not at all), or only checked."""

import contextlib
import os
import pathlib
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import IO

from workbenchx import errors
from workbenchx.cli import failure


async def to_stdout(stream: AsyncIterator[bytes]) -> None:
    """Write as it comes; a wrong sha256 is an error at the end."""
    async for data in stream:
        sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


async def to_file(stream: AsyncIterator[bytes], path: pathlib.Path) -> None:
    """Write beside `path`, and rename once the storage has vouched for the last byte.

    Raises:
        failure.Failure: the file cannot be written.
        errors.Stalled: the bytes are missing or differ; `path` is as it was.
    """
    try:
        with _whole(path) as file:
            async for data in stream:
                file.write(data)
    except OSError as error:
        raise failure.Failure(f'cannot write "{path}": {error.strerror}') from error


@contextlib.contextmanager
def _whole(path: pathlib.Path) -> Iterator[IO[bytes]]:
    """A file that gets its name only if nothing went wrong."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    draft = pathlib.Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        draft.chmod(0o644)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


async def verdict(stream: AsyncIterator[bytes]) -> str:
    """Say intact, or why not: ArtifactMissing, DigestMismatch."""
    try:
        async for _ in stream:
            pass
    except errors.Stalled as problem:
        return problem.reason
    return "intact"
