"""Sign-in of the local user: a link that works once, a cookie that only our own page can order with."""

import asyncio
import os
import pathlib
import stat
import time
from collections.abc import AsyncIterator
from typing import Any

import console_auth
import console_lab
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from store_fixtures import database, server

from workbenchx import errors
from workbenchx.console import problems
from workbenchx.console.auth import local
from workbenchx.store import embedded

__all__ = ["database", "server"]
SESSION = "/api/v1/session"
LOGOUT = "/api/v1/auth/logout"


@pytest.fixture
async def served(
    server: embedded.Server, database: str, tmp_path: pathlib.Path
) -> AsyncIterator[tuple[httpx.AsyncClient, local.LocalAuth]]:
    """A client of an embedded console, and what signs there."""
    async with console_lab.alone(server, database, tmp_path) as (url, chosen):
        assert chosen.signing is not None
        async with httpx.AsyncClient(base_url=url) as client:
            yield client, chosen.signing


async def test_the_link_signs_in_once(
    served: tuple[httpx.AsyncClient, local.LocalAuth],
) -> None:
    """A browser gets a cookie that scripts cannot read and other sites cannot send; the same link again gets nothing."""
    client, signing = served
    code = signing.codes.new()

    answer = await client.get("/login", params={"code": code})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    session, csrf = answer.headers.get_list("set-cookie")
    assert session.startswith("wbx_session=")
    assert all(word in session for word in ("HttpOnly", "SameSite=strict", "Path=/"))
    assert csrf.startswith("wbx_csrf=")
    assert "HttpOnly" not in csrf
    said = (await client.get(SESSION)).json()
    assert said["mode"] == "embedded"
    assert said["csrf"] == client.cookies["wbx_csrf"]
    again = await client.get("/login", params={"code": code})
    assert again.status_code == 401
    assert "wbx console --link" in again.text


async def test_a_code_buys_a_token_once_whoever_is_fastest(
    served: tuple[httpx.AsyncClient, local.LocalAuth],
) -> None:
    """Of twenty exchanges at once one succeeds; its token is the platform's, as a bearer too."""
    client, signing = served
    code = signing.codes.new()

    answers = await asyncio.gather(
        *(client.post("/api/v1/auth/exchange", json={"code": code}) for _ in range(20))
    )
    (good,) = [answer for answer in answers if answer.status_code == 200]
    assert {answer.status_code for answer in answers} == {200, 401}
    client.cookies.clear()
    bearer = {"Authorization": f"Bearer {good.json()['token']}"}
    said = (await client.get(SESSION, headers=bearer)).json()
    assert said["user"]["platform"] is True
    assert said["csrf"] is None


@pytest.mark.parametrize("code", ["", "x", "../key.pem", "a" * 201, "é", "a\0b"])
async def test_what_is_no_code_buys_nothing(
    served: tuple[httpx.AsyncClient, local.LocalAuth], code: str
) -> None:
    """Refused, and no file outside the codes is ever looked at."""
    client, _ = served
    answer = await client.post("/api/v1/auth/exchange", json={"code": code})
    assert answer.status_code in {401, 422}


async def test_orders_by_cookie_need_proof(
    served: tuple[httpx.AsyncClient, local.LocalAuth],
) -> None:
    """The header must be the session's own; another site's origin is refused; a token in the header needs none."""
    client, signing = served
    made = signing.exchange(signing.codes.new())
    other = signing.exchange(signing.codes.new())
    client.cookies.set("wbx_session", made.token)
    good = {"X-CSRF-Token": made.csrf}

    for wrong in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": other.csrf}, {"X-CSRF-Token": "é"}):
        sent = [(name.encode(), value.encode()) for name, value in wrong.items()]
        answer = await client.post(LOGOUT, headers=sent)
        assert (answer.status_code, answer.json()["reason"]) == (403, "ForgedRequest")
    for foreign in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert (await client.post(LOGOUT, headers=good | foreign)).status_code == 403
    own = {"Origin": str(client.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert (await client.post(LOGOUT, headers=good | own)).status_code == 204
    bearer = {"Authorization": f"Bearer {other.token}"}
    assert (await client.post(LOGOUT, headers=bearer)).status_code == 204


async def test_a_bad_header_is_not_saved_by_a_cookie(
    served: tuple[httpx.AsyncClient, local.LocalAuth],
) -> None:
    """Who sends an Authorization header is judged by it alone."""
    client, signing = served
    client.cookies.set("wbx_session", signing.exchange(signing.codes.new()).token)

    assert (await client.get(SESSION)).status_code == 200
    for header in ("Bearer x", "Basic dTpw", "Bearer", ""):
        answer = await client.get(SESSION, headers={"Authorization": header})
        assert answer.status_code == 401


async def test_tokens_of_others_are_refused(
    served: tuple[httpx.AsyncClient, local.LocalAuth], tmp_path: pathlib.Path
) -> None:
    """Another installation's, one with the same key for another, and one signed by a stranger."""
    client, signing = served
    stranger = local.LocalAuth(tmp_path / "stranger", "99999999-2222-4333-8444-555555555555")
    moved = local.LocalAuth(tmp_path / "console", "99999999-2222-4333-8444-555555555555")
    claims = jwt.decode(
        signing.exchange(signing.codes.new()).token, options={"verify_signature": False}
    )
    forged = jwt.encode(
        claims, ec.generate_private_key(ec.SECP256R1()), "ES256", headers={"kid": "local"}
    )

    tokens = [each.exchange(each.codes.new()).token for each in (stranger, moved)]
    for token in (*tokens, forged, console_auth.unsigned(claims, kid="local")):
        answer = await client.get(SESSION, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401


def test_codes_and_sessions_end(tmp_path: pathlib.Path) -> None:
    """A code after ten minutes, a session after twelve hours; old codes leave no files."""
    ahead = 0.0
    signing = local.LocalAuth(tmp_path, "one", now=lambda: time.time() + ahead)
    late = signing.codes.new()
    ahead = 601
    with pytest.raises(problems.Problem, match="too old"):
        signing.exchange(late)
    for _ in range(3):
        signing.codes.new()
    made = signing.exchange(signing.codes.new())
    checking = signing.verifier()
    assert asyncio.run(checking.verify(made.token))
    ahead = 601 + 12 * 3600 + 1
    with pytest.raises(problems.Problem, match="expired"):
        asyncio.run(checking.verify(made.token))
    signing.codes.new()
    assert len(list((tmp_path / "codes").iterdir())) == 1


def test_the_key_is_private_and_stays(tmp_path: pathlib.Path) -> None:
    """Mode 0600 in a folder of mode 0700; a second process signs with the same; one that others read is not used."""
    first, second = (local.LocalAuth(tmp_path / "console", "one") for _ in range(2))
    path = tmp_path / "console" / "key.pem"

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    token = first.exchange(second.codes.new()).token
    assert asyncio.run(second.verifier().verify(token))
    path.chmod(0o644)
    with pytest.raises(errors.Stalled, match="others may read it"):
        local.LocalAuth(tmp_path / "console", "one")
    path.chmod(0o600)
    path.write_text("nonsense")
    with pytest.raises(errors.Stalled, match="remove it"):
        local.LocalAuth(tmp_path / "console", "one")


def test_two_first_starts_agree_on_a_key(tmp_path: pathlib.Path) -> None:
    """Whoever writes the key first wins; a draft that a killed process left is no obstacle."""
    (tmp_path / f"key.{os.getpid()}.new").write_text("half")
    signed = [local.LocalAuth(tmp_path, "one") for _ in range(4)]

    assert len({each.secret for each in signed}) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key.pem"]


async def test_nobody_signs_in_by_code_elsewhere(
    server: embedded.Server, database: str, tmp_path: pathlib.Path
) -> None:
    """In front of Supabase a code is for nothing, a cookie is nothing, and the way to sign in is told."""
    with console_auth.serving() as auth:
        async with console_lab.lab(server, database, auth, tmp_path) as lab, lab.client() as client:
            answer = await client.post("/api/v1/auth/exchange", json={"code": "x"})
            assert (answer.status_code, answer.json()["reason"]) == (501, "NotAvailable")
            told: dict[str, Any] = (await client.get("/api/v1/auth")).json()
            assert told == {
                "mode": "supabase",
                "issuer": auth.url,
                "auth_url": auth.url,
                "publishable_key": auth.key,
            }
            client.cookies.set("wbx_session", lab.token("viewer"))
            assert (await client.get(SESSION)).status_code == 401
            assert (await client.post(LOGOUT)).status_code == 401
