"""Supabase Auth as its clients speak to it: password, one-time code by e-mail, renewal, sign-out."""

import dataclasses
import json
import time
from collections.abc import Mapping
from typing import Any

import httpx

from workbenchx import errors
from workbenchx.remote import addresses, connecting, logins, problems

_VERSION = "2024-01-01"
_SHOWN = 200
# What the caller cannot mend by another try: the sign-in is over.
_OVER = frozenset(
    {
        "refresh_token_not_found",
        "refresh_token_already_used",
        "session_expired",
        "session_not_found",
        "user_banned",
        "user_not_found",
    }
)


@dataclasses.dataclass(frozen=True, slots=True)
class Supabase:
    """One project's Auth at `url` (which `/token` follows); `key` is its publishable key, no secret."""

    url: str
    key: str

    async def password(self, email: str, password: str) -> dict[str, Any]:
        """Sign in by password; what a sign-in gives (see `kept`).

        Raises:
            errors.Stalled: reason NotSignedIn: refused.
            errors.Waiting: it does not answer, or too many tried.
        """
        body = {"email": email, "password": password}
        return _granted(await self._post("token?grant_type=password", body), self.url)

    async def send_code(self, email: str) -> None:
        """Have a one-time code sent; nobody is signed up by this. Errors as `password`."""
        await self._post("otp", {"email": email, "create_user": False})

    async def verify(self, email: str, code: str) -> dict[str, Any]:
        """Sign in by the code that came by mail. Answer and errors as `password`."""
        body = {"type": "email", "email": email, "token": code}
        return _granted(await self._post("verify", body), self.url)

    async def refresh(self, refresh_token: str) -> dict[str, Any]:
        """The next tokens; the one given is used up. Answer and errors as `password`."""
        body = {"refresh_token": refresh_token}
        return _granted(await self._post("token?grant_type=refresh_token", body), self.url)

    async def leave(self, token: str) -> None:
        """End this session at the server. Errors as `password`."""
        await self._post("logout?scope=local", {}, {"Authorization": f"Bearer {token}"})

    async def _post(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> Any:
        where = addresses.host(self.url)
        base = addresses.checked(self.url, "auth_url of the API").rstrip("/")
        sent = {"apikey": self.key, "X-Supabase-Api-Version": _VERSION, **(headers or {})}
        async with connecting.client(base) as client:
            try:
                response = await client.post(f"{base}/{path}", json=dict(body), headers=sent)
            except httpx.TransportError as error:
                raise problems.silent(error, where) from error
        if response.status_code >= 400:
            raise _refused(response, where)
        return _document(response)


def kept(url: str, auth: Supabase, granted: Mapping[str, Any], email: str) -> logins.Login:
    """What a sign-in gave, to be kept for the API at `url`."""
    return logins.Login(
        url=url,
        token=granted["access_token"],
        expires_at=time.time() + float(granted["expires_in"]),
        refresh_token=granted["refresh_token"],
        auth_url=auth.url,
        key=auth.key,
        email=email,
    )


async def renew(login: logins.Login) -> logins.Login:
    """The same sign-in with its next tokens."""
    auth = Supabase(login.auth_url, login.key)
    granted = await auth.refresh(login.refresh_token)
    return kept(login.url, auth, granted, login.email)


def _granted(document: Any, url: str) -> dict[str, Any]:
    found = document if isinstance(document, dict) else {}
    token, refresh = found.get("access_token"), found.get("refresh_token")
    if not isinstance(token, str) or not isinstance(refresh, str) or not token:
        raise errors.Stalled(
            f"sign-in: {addresses.host(url)} gave no token; is it Supabase Auth?", reason="NotAnApi"
        )
    seconds = found.get("expires_in")
    seconds = seconds if isinstance(seconds, int | float) else 3600
    return {"access_token": token, "refresh_token": refresh, "expires_in": seconds}


def _refused(response: httpx.Response, where: str) -> errors.WorkbenchError:
    document = _document(response)
    found = document if isinstance(document, dict) else {}
    code = found.get("error_code") or found.get("code")
    told = found.get("message") or found.get("msg") or found.get("error_description")
    told = " ".join(str(told or response.reason_phrase).split())[:_SHOWN]
    if response.status_code == 429 or response.status_code >= 500:
        return errors.Waiting(
            f"sign-in: {where}: {told}",
            reason="TooManyRequests" if response.status_code == 429 else "ApiUnavailable",
            retry_after=problems.retry_after(response),
        )
    told = "the sign-in is over; sign in again" if code in _OVER else told
    return errors.Stalled(f"sign-in: {where}: {told}", reason=problems.NOT_SIGNED_IN)


def _document(response: httpx.Response) -> Any:
    try:
        return json.loads(response.content or b"{}")
    except (ValueError, RecursionError):
        return {}
