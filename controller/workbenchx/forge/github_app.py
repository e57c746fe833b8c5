"""A GitHub App as a caller: its own key signs a short word, for which GitHub gives a token of one repository for an hour."""

import asyncio
import dataclasses
import datetime
import time
from collections.abc import Mapping
from typing import Any

import jwt

from workbenchx.forge import calls, faults, rest

VERSION = "2022-11-28"
PERMISSIONS = {
    "checks": "write",
    "contents": "write",
    "issues": "write",
    "metadata": "read",
    "pull_requests": "write",
    "statuses": "write",
}
_EARLIER_SECONDS, _WORD_SECONDS, _SKEW_SECONDS = 300.0, 540, 60


@dataclasses.dataclass(frozen=True, slots=True)
class App:
    """`id`: the client id of the App, or its number. `key`: its private key, PEM."""

    id: str
    key: str = dataclasses.field(repr=False)


class Installed:
    """An App where it is installed for one repository. The token is kept until five minutes before its end."""

    def __init__(self, app: App, name: rest.Name, api: str) -> None:
        self._app = app
        self._name = name
        self._who = f'forge "{api}"'
        self._calls = calls.Calls(api, self._who, self._signed)
        self._lock = asyncio.Lock()
        self._token: tuple[str, float] | None = None
        self._about: Mapping[str, Any] | None = None

    async def aclose(self) -> None:
        """Close every connection."""
        await self._calls.aclose()

    async def headers(self) -> Mapping[str, str]:
        """As the installation."""
        return headers(await self.token())

    async def token(self) -> str:
        """A token that lasts for five minutes at least: for the API, and for git as the password of `x-access-token`.

        Raises:
            errors.Stalled: reason ForgeRefused: the App is not installed there, lacks a right, or the key is not its own.
        """
        async with self._lock:
            if self._token is None or self._token[1] - _EARLIER_SECONDS <= time.time():
                self._token = await self._asked()
            return self._token[0]

    def forget(self) -> None:
        """GitHub refused the token: the next call asks for another one."""
        self._token = None

    async def login(self) -> str:
        """Under which comments of the App stand."""
        return f"{(await self._itself())['slug']}[bot]"

    async def number(self) -> int:
        """The number of the App."""
        return int((await self._itself())["id"])

    async def _itself(self) -> Mapping[str, Any]:
        if self._about is None:
            self._about = dict(await self._calls.need("GET", "/app"))
        return self._about

    async def _asked(self) -> tuple[str, float]:
        try:
            found = await self._calls.ask("GET", f"{self._name.path}/installation")
        except calls.Missing as problem:
            raise faults.refused(
                self._who,
                f'the App "{self._app.id}" is not installed for "{self._name.owner}/{self._name.name}"',
            ) from problem
        said = {"repositories": [self._name.name], "permissions": PERMISSIONS}
        made = await self._calls.need(
            "POST", f"/app/installations/{found['id']}/access_tokens", said
        )
        return str(made["token"]), datetime.datetime.fromisoformat(made["expires_at"]).timestamp()

    async def _signed(self) -> Mapping[str, str]:
        """As the App itself. A clock that is a minute fast does no harm."""
        now = int(time.time())
        said = {"iss": self._app.id, "iat": now - _SKEW_SECONDS, "exp": now + _WORD_SECONDS}
        try:
            return headers(jwt.encode(said, self._app.key, algorithm="RS256"))
        except (ValueError, TypeError, jwt.PyJWTError) as problem:
            raise faults.refused(
                self._who, "the private key of the App is no RSA key in PEM"
            ) from problem


def headers(token: str) -> Mapping[str, str]:
    """Of a call with this token, in the version of the API that this program is written for."""
    return {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": VERSION,
    }
