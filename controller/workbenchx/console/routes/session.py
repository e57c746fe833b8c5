"""Sign-in: how it is done here, the one-time code of an embedded installation, and who the caller is."""

import datetime
from typing import Annotated, Literal

import fastapi
import pydantic
from starlette import responses

from workbenchx.console import parts, problems, wire
from workbenchx.console.auth import asking, forgery, local

router = fastapi.APIRouter(prefix="/api/v1", tags=["session"])
_CSRF_COOKIE = "wbx_csrf"
Given = Annotated[str, fastapi.Query(max_length=200)]


class SignIn(pydantic.BaseModel):
    """How to sign in here."""

    mode: Literal["embedded", "supabase"]
    issuer: str
    auth_url: str | None
    publishable_key: str | None


class Code(pydantic.BaseModel):
    """The code of a one-time link."""

    model_config = pydantic.ConfigDict(extra="forbid")

    code: str = pydantic.Field(max_length=200)


class Token(pydantic.BaseModel):
    """A bearer token; the same is set as a cookie for browsers."""

    token: str
    expires_at: datetime.datetime


class User(pydantic.BaseModel):
    """Who asks. `platform`: the token is the platform team's."""

    id: str
    email: str | None
    platform: bool


class Installation(pydantic.BaseModel):
    """Which installation answers."""

    id: str
    environment: str


class Session(pydantic.BaseModel):
    """Who am I.

    `installation`: null for who is a member of nothing in it; `csrf`: what a browser's orders send as X-CSRF-Token,
    null for who sends a token itself.
    """

    user: User
    installation: Installation | None
    mode: Literal["embedded", "supabase"]
    expires_at: datetime.datetime
    csrf: str | None


@router.get("/auth", response_model=SignIn, summary="How to sign in")
async def how(request: fastapi.Request) -> responses.Response:
    """Public. `publishable_key` goes to the auth server and opens nothing here."""
    asking.strangers(request).take(asking.address(request))
    chosen = parts.of(request).sign_in
    shown = {
        "mode": chosen.mode,
        "issuer": chosen.issuer,
        "auth_url": chosen.auth_url,
        "publishable_key": chosen.publishable_key,
    }
    return wire.answer(request, shown)


@router.post("/auth/exchange", response_model=Token, summary="A one-time code for a session")
async def exchange(request: fastapi.Request, body: Code) -> responses.Response:
    """Public; embedded installations only. A code works once."""
    made = redeemed(request, body.code)
    answer = responses.Response(
        wire.encode({"token": made.token, "expires_at": _moment(made.expires_at)}),
        media_type=wire.JSON,
    )
    set_cookies(request, answer, made)
    return answer


@router.post("/auth/logout", status_code=204, summary="Forget the session of this browser")
async def logout(_: asking.Asks) -> responses.Response:
    """The cookies go. A token that was copied is good until it ends."""
    answer = responses.Response(status_code=204)
    for name in (asking.COOKIE, _CSRF_COOKIE):
        answer.delete_cookie(name, samesite="strict", httponly=name == asking.COOKIE)
    return answer


@router.get("/session", response_model=Session, summary="Who am I")
async def session(request: fastapi.Request, asks: asking.Asks) -> responses.Response:
    """The caller as the token says, and the installation as the database shows it to them."""
    chosen = parts.of(request)
    async with asks.reading() as ask:
        found = await ask.installation()
    csrf = None
    if asks.by_cookie and chosen.signing is not None:
        csrf = forgery.token(chosen.signing.secret, asks.session)
    email = asks.claims.get("email")
    shown = {
        "user": {
            "id": asks.claims["sub"],
            "email": email if isinstance(email, str) and email else None,
            "platform": asks.platform,
        },
        "installation": found,
        "mode": chosen.sign_in.mode,
        "expires_at": _moment(int(asks.claims["exp"])),
        "csrf": csrf,
    }
    return wire.answer(request, shown)


def redeemed(request: fastapi.Request, code: str) -> local.Session:
    """The session that the code buys; tries are counted by address.

    Raises:
        problems.Problem: 401, 429, or 501: people sign in elsewhere.
    """
    asking.strangers(request).take(asking.address(request))
    chosen = parts.of(request)
    if chosen.signing is None:
        raise problems.Problem(
            501, "codes: people sign in at the auth server here; GET /api/v1/auth tells where"
        )
    return chosen.signing.exchange(code)


def set_cookies(request: fastapi.Request, answer: responses.Response, made: local.Session) -> None:
    """The session for the browser alone, and the forged-request token for our page's script."""
    for name, value in ((asking.COOKIE, made.token), (_CSRF_COOKIE, made.csrf)):
        answer.set_cookie(
            name,
            value,
            expires=_moment(made.expires_at),
            httponly=name == asking.COOKIE,
            secure=request.url.scheme == "https",
            samesite="strict",
        )


def _moment(seconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
