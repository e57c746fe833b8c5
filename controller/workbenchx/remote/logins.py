"""Sign-ins of this user, one file an API, readable by nobody else, whole or not there."""

import asyncio
import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import pathlib
import tempfile
from collections.abc import AsyncIterator

from workbenchx import errors

_PATIENCE = 60.0
_POLL_SECONDS = 0.05


@dataclasses.dataclass(frozen=True, slots=True)
class Login:
    """One sign-in. `expires_at`: when the token ends by this machine's clock (None: unknown).

    `auth_url` and `key` say where Supabase Auth renews it; `refresh_token` "": nobody does.
    """

    url: str
    token: str = dataclasses.field(repr=False)
    expires_at: float | None = None
    refresh_token: str = dataclasses.field(default="", repr=False)
    auth_url: str = ""
    key: str = ""
    email: str = ""


class Shelf:
    """The sign-ins in `folder`, which is made at first need."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder

    def load(self, url: str) -> Login | None:
        """The sign-in to that API; None: there is none, or none that can be read."""
        try:
            found = json.loads(self._path(url).read_text(encoding="utf-8"))
            login = Login(**found)
        except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
            return None
        except OSError as error:
            raise _unusable(self._folder, error) from error
        return login if login.url == url else None

    def save(self, login: Login) -> None:
        """Keep it in place of what was kept.

        Raises:
            errors.Stalled: reason HomeNotWritable.
        """
        try:
            self._prepare()
            handle, name = tempfile.mkstemp(prefix=".login-", dir=self._folder)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(dataclasses.asdict(login), file)
                    file.flush()
                    os.fsync(file.fileno())
                pathlib.Path(name).replace(self._path(login.url))
            finally:
                pathlib.Path(name).unlink(missing_ok=True)
        except OSError as error:
            raise _unusable(self._folder, error) from error

    def forget(self, url: str) -> bool:
        """Drop it; whether there was one."""
        try:
            self._path(url).unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise _unusable(self._folder, error) from error
        return True

    @contextlib.asynccontextmanager
    async def locked(self, url: str) -> AsyncIterator[None]:
        """While inside, no other process changes this sign-in.

        Raises:
            errors.Waiting: another one does not come to an end.
        """
        try:
            self._prepare()
            path = self._path(url).with_suffix(".lock")
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise _unusable(self._folder, error) from error
        try:
            await _lock(handle)
            yield
        finally:
            os.close(handle)

    def _prepare(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _path(self, url: str) -> pathlib.Path:
        return self._folder / f"{hashlib.sha256(url.encode()).hexdigest()[:24]}.json"


async def _lock(handle: int) -> None:
    """Take the lock, or wait for whoever has it; a process that dies gives it back."""
    try:
        async with asyncio.timeout(_PATIENCE):
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    await asyncio.sleep(_POLL_SECONDS)
                else:
                    return
    except TimeoutError as error:
        raise errors.Waiting(
            "sign-in: another wbx renews it and does not come to an end", reason="ApiUnavailable"
        ) from error


def _unusable(folder: pathlib.Path, error: OSError) -> errors.Stalled:
    return errors.Stalled(
        f'sign-in: "{folder}" cannot be used ({error.strerror})', reason="HomeNotWritable"
    )
