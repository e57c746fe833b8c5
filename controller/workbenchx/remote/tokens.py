"""What a request proves itself with: a fixed token, or a kept sign-in that is renewed in time."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from workbenchx import errors
from workbenchx.remote import addresses, logins, problems

_EARLY_SECONDS = 60.0
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")


class Tokens(Protocol):
    """Where the client takes tokens from."""

    async def current(self) -> str:
        """A token that should be good now.

        Raises:
            errors.Stalled: reason NotSignedIn.
            errors.Waiting: it must be renewed, and who renews it does not answer.
        """

    async def renewed(self, refused: str) -> str | None:
        """Another token, after the API refused that one; None: there is none."""


class Fixed:
    """A token that somebody else takes care of, as in CI."""

    def __init__(self, token: str, name: str) -> None:
        self._token = usable(token, name)

    async def current(self) -> str:
        """The token."""
        return self._token

    async def renewed(self, refused: str) -> str | None:  # noqa: ARG002 - the protocol's
        """None: nobody here can make another."""
        return None


def usable(token: str, name: str) -> str:
    """A token as a header can hold it; `name` is where it comes from.

    Raises:
        errors.Stalled: reason BadSettings; the message does not repeat it.
    """
    token = token.strip()
    if not _TOKEN.fullmatch(token):
        raise errors.Stalled(f"settings: {name} holds no token", reason="BadSettings")
    return token


Renew = Callable[[logins.Login], Awaitable[logins.Login]]


class Kept:
    """The sign-in that `wbx login` kept. Of all processes one renews it, and the others take what it got."""

    def __init__(self, shelf: logins.Shelf, url: str, renew: Renew) -> None:
        self._shelf = shelf
        self._url = url
        self._renew = renew
        self._login: logins.Login | None = None
        self._alone = asyncio.Lock()

    async def current(self) -> str:
        """A token that should be good now."""
        login = self._login or self._shelf.load(self._url)
        if login is None:
            raise _nobody(self._url, "nobody is signed in")
        if ends_soon(login):
            login = await self._another(login.token)
        if login is None:
            raise _nobody(self._url, "the sign-in is over")
        self._login = login
        return login.token

    async def renewed(self, refused: str) -> str | None:
        """Another token, after the API refused that one."""
        self._login = await self._another(refused)
        return self._login.token if self._login else None

    async def _another(self, old: str) -> logins.Login | None:
        async with self._alone, self._shelf.locked(self._url):
            login = self._shelf.load(self._url)
            if login is None or (login.token != old and not ends_soon(login)):
                return login
            if not login.refresh_token:
                return None
            fresh = await self._renew(login)
            self._shelf.save(fresh)
            return fresh


def ends_soon(login: logins.Login) -> bool:
    """Whether the token is over, or so soon that it should be renewed."""
    early = _EARLY_SECONDS if login.refresh_token else 0.0
    return login.expires_at is not None and login.expires_at - early < time.time()


def _nobody(url: str, told: str) -> errors.Stalled:
    return errors.Stalled(f"API: {told} at {addresses.host(url)}", reason=problems.NOT_SIGNED_IN)
