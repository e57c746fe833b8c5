"""Signing in to an API, out again, and who one is there."""

import base64
import datetime
import json
from typing import Any

from workbenchx import errors
from workbenchx.remote import client, logins, problems, supabase, tokens


async def how(url: str) -> dict[str, Any]:
    """How that API wants people to sign in: `mode` is embedded or supabase.

    Raises:
        errors.Stalled: no API of ours is there.
        errors.Waiting: it does not answer.
    """
    api = client.Client(url, None)
    try:
        found = await api.get("auth")
    finally:
        await api.close()
    if not isinstance(found, dict) or found.get("mode") not in {"embedded", "supabase"}:
        raise problems.no_api(api.where, "does not say how to sign in")
    return found


def auth(found: dict[str, Any]) -> supabase.Supabase:
    """Supabase Auth as the API names it."""
    where = found.get("auth_url") or found.get("issuer")
    if not where:
        raise errors.Stalled("API: it does not say where its Supabase Auth is", reason="NotAnApi")
    return supabase.Supabase(str(where), str(found.get("publishable_key") or ""))


async def by_code(url: str, code: str) -> logins.Login:
    """The sign-in that a one-time code of an embedded API gives. Errors as `how`."""
    api = client.Client(url, None)
    try:
        found = await api.post("auth/exchange", {"code": code})
    finally:
        await api.close()
    token = found.get("token") if isinstance(found, dict) else None
    if not isinstance(token, str):
        raise problems.no_api(api.where, "gave no token")
    return logins.Login(url=url, token=token, expires_at=_end(found.get("expires_at")))


async def by_password(
    url: str, where: supabase.Supabase, email: str, password: str
) -> logins.Login:
    """The sign-in by e-mail and password. Errors as `supabase.Supabase.password`."""
    return supabase.kept(url, where, await where.password(email, password), email)


async def by_mailed_code(url: str, where: supabase.Supabase, email: str, code: str) -> logins.Login:
    """The sign-in by a code that was mailed. Errors as `supabase.Supabase.password`."""
    return supabase.kept(url, where, await where.verify(email, code), email)


async def who(url: str, held: tokens.Tokens) -> dict[str, Any]:
    """What the API knows of whoever has that token: `user`, `installation`, `mode`. Errors as `how`."""
    api = client.Client(url, held)
    try:
        found = await api.get("session")
    finally:
        await api.close()
    if not isinstance(found, dict) or not isinstance(found.get("user"), dict):
        raise problems.no_api(api.where, "does not say who is signed in")
    return found


async def keep(shelf: logins.Shelf, login: logins.Login) -> dict[str, Any]:
    """Keep a sign-in once the API has taken it; who it is. Errors as `how`."""
    found = await who(login.url, tokens.Fixed(login.token, "the sign-in"))
    async with shelf.locked(login.url):
        shelf.save(login)
    return found


async def leave(shelf: logins.Shelf, url: str) -> bool:
    """Forget the sign-in, and end it where it can be renewed; whether there was one.

    Raises:
        errors.Waiting: it is forgotten here, and Supabase Auth could not be told.
    """
    async with shelf.locked(url):
        login = shelf.load(url)
        gone = shelf.forget(url)
    if login is not None and login.refresh_token:
        await _end_there(login)
    return gone


async def _end_there(login: logins.Login) -> None:
    try:
        if tokens.ends_soon(login):
            login = await supabase.renew(login)
        await supabase.Supabase(login.auth_url, login.key).leave(login.token)
    except errors.Stalled as problem:
        if problem.reason != problems.NOT_SIGNED_IN:  # it was over already
            raise


def end_of(token: str) -> float | None:
    """When a JWT ends, as it says itself; None: it does not say, or is none."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (IndexError, ValueError, TypeError, KeyError):
        return None


def _end(said: Any) -> float | None:
    """When a token ends by this machine's clock."""
    if not isinstance(said, str):
        return None
    try:
        return datetime.datetime.fromisoformat(said).timestamp()
    except ValueError:
        return None
