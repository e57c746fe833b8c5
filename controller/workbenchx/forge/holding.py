"""A folder that one task at a time changes, whichever process it is of."""

import asyncio
import contextlib
import fcntl
import pathlib
from collections.abc import AsyncIterator, Iterator

_AGAIN_SECONDS = 0.05


@contextlib.asynccontextmanager
async def alone(mark: pathlib.Path) -> AsyncIterator[None]:
    """Inside, nobody else holds `mark`, a file that stays. Who is killed lets go of it."""
    mark.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with mark.open("ab") as handle:
        while not _taken(handle.fileno()):  # noqa: ASYNC110 - another process has it
            await asyncio.sleep(_AGAIN_SECONDS)
        yield


@contextlib.contextmanager
def waited(mark: pathlib.Path) -> Iterator[None]:
    """As `alone`, for a thread, which waits."""
    mark.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with mark.open("ab") as handle:
        fcntl.flock(handle.fileno(), fcntl.LOCK_EX)
        yield


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
