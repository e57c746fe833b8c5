"""Sign-ins: addresses that are safe, files that are private, renewal once for all who wait, Supabase Auth's wire format."""

import asyncio
import contextlib
import dataclasses
import json
import multiprocessing
import pathlib
import time
from collections.abc import Iterator

import pytest
import remote_server
import supabase_sign_in

from workbenchx import errors
from workbenchx.remote import addresses, joining, logins, supabase, tokens
from workbenchx.wiring import signed_in

URL = "https://wbx.example.org"
ANNA = supabase_sign_in.User("anna@example.org", "correct horse")


@contextlib.contextmanager
def auth(*, lives: float = 3600.0) -> Iterator[tuple[supabase_sign_in.Auth, supabase.Supabase]]:
    """A Supabase Auth that knows Anna, and the client for it."""
    made = supabase_sign_in.Auth(dataclasses.replace(ANNA), lives=lives)
    with remote_server.serving(made.routes()) as server:
        made.at(server)
        yield made, supabase.Supabase(f"{server.url}/auth/v1", supabase_sign_in.KEY)


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("https://wbx.example.org", "https://wbx.example.org"),
        ("https://WBX.Example.org/", "https://wbx.example.org"),
        ("https://wbx.example.org/team/api/v1/", "https://wbx.example.org/team"),
        ("http://127.0.0.1:8420", "http://127.0.0.1:8420"),
        ("http://localhost:1/", "http://localhost:1"),
        ("http://[::1]:8420/api/v1", "http://[::1]:8420"),
    ],
)
def test_an_address_has_one_spelling(given: str, base: str) -> None:
    """One API is one sign-in, however its address is written."""
    assert addresses.base(given) == base


@pytest.mark.parametrize(
    "given",
    [
        "http://wbx.example.org",
        "http://127.0.0.1.example.org",
        "http://localhost.example.org",
        "http://10.0.0.1",
        "ftp://wbx.example.org",
        "wbx.example.org",
        "https://",
        "https://user:secret@wbx.example.org",
        "https://wbx.example.org:port",
        "https://[::1",
        "",
    ],
)
def test_an_address_that_would_leak_a_token_is_refused(given: str) -> None:
    """Nothing goes in the clear but to this machine; the message repeats no secret."""
    with pytest.raises(errors.Stalled) as caught:
        addresses.base(given)

    assert caught.value.reason == "BadSettings"
    assert "secret" not in caught.value.message


def test_a_sign_in_is_kept_for_its_user_alone(tmp_path: pathlib.Path) -> None:
    """Mode 0600 in a folder of mode 0700, one an API; shown nowhere."""
    shelf = logins.Shelf(tmp_path / "config" / "logins")
    login = logins.Login(URL, "the-token", 5.0, "the-refresh-token", "https://a", "k", "e")
    shelf.save(login)
    shelf.save(dataclasses.replace(login, url=f"{URL}/other", token="another"))

    assert shelf.load(URL) == login
    files = list((tmp_path / "config" / "logins").iterdir())
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (tmp_path / "config" / "logins").stat().st_mode & 0o777 == 0o700
    assert "token" not in repr(login)
    assert (shelf.forget(URL), shelf.forget(URL), shelf.load(URL)) == (True, False, None)
    assert shelf.load(f"{URL}/other") is not None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"url": "https://wbx.example.org"}', '{"x": 1}'])
def test_a_file_that_is_no_sign_in_is_none(text: str, tmp_path: pathlib.Path) -> None:
    """Whatever happened to it, signing in again is the way out."""
    shelf = logins.Shelf(tmp_path)
    shelf.save(logins.Login(URL, "t"))
    (path,) = tmp_path.iterdir()
    path.write_text(text)

    assert shelf.load(URL) is None


async def test_password_and_code_and_renewal_speak_supabases_format() -> None:
    """Each request carries the publishable key and the format's version; each answer is kept whole."""
    with auth() as (made, client):
        first = await client.password(ANNA.email, ANNA.password)
        login = supabase.kept(URL, client, first, ANNA.email)
        second = await supabase.renew(login)
        await client.send_code(ANNA.email)
        code = made.users[ANNA.email].code or ""
        third = await client.verify(ANNA.email, code)
        await client.leave(str(third["access_token"]))

    assert len({login.refresh_token, second.refresh_token, third["refresh_token"]}) == 3
    assert second.expires_at == pytest.approx(time.time() + 3600, abs=30)
    assert (second.url, second.email, second.auth_url) == (URL, ANNA.email, client.url)
    assert {each.headers["apikey"] for each in made.server.seen} == {supabase_sign_in.KEY}
    assert {each.headers["x-supabase-api-version"] for each in made.server.seen} == {"2024-01-01"}
    assert made.server.seen[-1].query == {"scope": "local"}
    assert json.loads(made.server.seen[2].body) == {"email": ANNA.email, "create_user": False}


@pytest.mark.parametrize(
    ("email", "password", "key", "told"),
    [
        (ANNA.email, "wrong", supabase_sign_in.KEY, "Invalid login credentials"),
        ("nobody@example.org", "x", supabase_sign_in.KEY, "Invalid login credentials"),
        (ANNA.email, ANNA.password, "another", "Invalid API key"),
    ],
)
async def test_who_is_refused_is_told_in_the_servers_words(
    email: str, password: str, key: str, told: str
) -> None:
    """The message names the server and the cause, and never the password."""
    with auth() as (_, client), pytest.raises(errors.Stalled, match=told) as caught:
        await dataclasses.replace(client, key=key).password(email, password)

    assert caught.value.reason == "NotSignedIn"
    assert ANNA.password not in caught.value.message


async def test_a_code_is_good_once() -> None:
    """A second use, and a wrong one, are refused."""
    with auth() as (made, client):
        await client.send_code(ANNA.email)
        code = made.users[ANNA.email].code or ""
        await client.verify(ANNA.email, code)
        with pytest.raises(errors.Stalled, match="expired or is invalid"):
            await client.verify(ANNA.email, code)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_server_in_trouble_is_no_wrong_password(status: int) -> None:
    """Nobody is told to sign in again because the server is full."""
    full = remote_server.document({"code": "over_request_rate_limit", "message": "slow"}, status)
    routes: dict[str, remote_server.Route] = {"POST /auth/v1/token": full}
    with remote_server.serving(routes) as server, pytest.raises(errors.Waiting):
        await supabase.Supabase(f"{server.url}/auth/v1", "k").password("a", "b")


async def test_what_is_no_supabase_is_told() -> None:
    """A page with status 200 gives no token."""
    routes: dict[str, remote_server.Route] = {"POST /token": remote_server.Answer(200, b"<html>")}
    refused = pytest.raises(errors.Stalled, match="is it Supabase Auth")
    with remote_server.serving(routes) as server, refused:
        await supabase.Supabase(server.url, "k").password("a", "b")


async def anna_signed_in(shelf: logins.Shelf, client: supabase.Supabase) -> logins.Login:
    """Anna's sign-in, kept."""
    login = supabase.kept(URL, client, await client.password(ANNA.email, ANNA.password), ANNA.email)
    shelf.save(login)
    return login


async def test_a_token_is_renewed_before_it_ends(tmp_path: pathlib.Path) -> None:
    """Nobody waits for a refusal; what was renewed is kept for the next command."""
    shelf = logins.Shelf(tmp_path)
    with auth(lives=30.0) as (made, client):
        login = await anna_signed_in(shelf, client)
        made.lives = 3600.0
        held = tokens.Kept(shelf, URL, supabase.renew)
        current = await held.current()
        again = await held.current()

    kept = shelf.load(URL)
    assert kept is not None
    assert login.token != current == again == kept.token
    assert kept.refresh_token != login.refresh_token


async def test_a_good_token_is_used_as_it_is(tmp_path: pathlib.Path) -> None:
    """No request goes out for it."""
    shelf = logins.Shelf(tmp_path)
    with auth() as (made, client):
        login = await anna_signed_in(shelf, client)
        assert await tokens.Kept(shelf, URL, supabase.renew).current() == login.token

    assert len(made.server.seen) == 1


def _renewed(folder: pathlib.Path, refused: str, told: "multiprocessing.Queue[str]") -> None:
    held = tokens.Kept(logins.Shelf(folder), URL, supabase.renew)
    told.put(str(asyncio.run(held.renewed(refused))))


async def test_of_many_processes_one_renews(tmp_path: pathlib.Path) -> None:
    """A refresh token is good once: all get the same new token out of one request."""
    shelf, fork = logins.Shelf(tmp_path), multiprocessing.get_context("spawn")
    with auth() as (made, client):
        login = await anna_signed_in(shelf, client)
        told: multiprocessing.Queue[str] = fork.Queue()
        many = [fork.Process(target=_renewed, args=(tmp_path, login.token, told)) for _ in range(4)]
        for process in many:
            process.start()
        found = {told.get(timeout=60) for _ in many}
        for process in many:
            process.join(30)

    assert len(found) == 1
    assert found != {login.token}
    assert len(made.server.asked("POST /auth/v1/token")) == 2


async def test_tasks_of_one_process_share_a_renewal(tmp_path: pathlib.Path) -> None:
    """A stream and a request that are refused together."""
    shelf = logins.Shelf(tmp_path)
    with auth() as (made, client):
        login = await anna_signed_in(shelf, client)
        held = tokens.Kept(shelf, URL, supabase.renew)
        found = await asyncio.gather(*(held.renewed(login.token) for _ in range(5)))

    assert len(set(found)) == 1
    assert len(made.server.asked("POST /auth/v1/token")) == 2


async def test_a_sign_in_that_is_over_says_so(tmp_path: pathlib.Path) -> None:
    """Ended elsewhere: the way out is to sign in again."""
    shelf = logins.Shelf(tmp_path)
    with auth() as (made, client):
        login = await anna_signed_in(shelf, client)
        made.refresh.clear()
        with pytest.raises(errors.Stalled, match="sign in again") as caught:
            await tokens.Kept(shelf, URL, supabase.renew).renewed(login.token)

    assert caught.value.reason == "NotSignedIn"


async def test_nobody_is_signed_in_without_a_file(tmp_path: pathlib.Path) -> None:
    """No request goes out."""
    with pytest.raises(errors.Stalled, match="nobody is signed in") as caught:
        await tokens.Kept(logins.Shelf(tmp_path), URL, supabase.renew).current()

    assert caught.value.reason == "NotSignedIn"


async def test_a_token_without_renewal_ends(tmp_path: pathlib.Path) -> None:
    """As that of an embedded console: nothing is tried."""
    shelf = logins.Shelf(tmp_path)
    shelf.save(logins.Login(URL, "old", time.time() - 5))
    held = tokens.Kept(shelf, URL, supabase.renew)

    with pytest.raises(errors.Stalled, match="the sign-in is over"):
        await held.current()
    assert await held.renewed("old") is None


async def test_leaving_ends_it_at_the_server_too(tmp_path: pathlib.Path) -> None:
    """The file goes first; a server that is away keeps nobody signed in here."""
    shelf = logins.Shelf(tmp_path)
    with auth() as (made, client):
        login = await anna_signed_in(shelf, client)
        assert await joining.leave(shelf, URL)
        assert made.server.asked("POST /auth/v1/logout")[0].token == login.token
        await anna_signed_in(shelf, client)
    with pytest.raises(errors.Waiting):
        await joining.leave(shelf, URL)

    assert shelf.load(URL) is None
    assert not await joining.leave(shelf, URL)


@pytest.mark.parametrize("token", ["", "  ", "a b", "a\nb: c", "ü", "a\r\nX-Evil: 1"])
def test_a_token_that_is_no_header_is_refused(token: str) -> None:
    """A newline in a variable smuggles no header in, and the value is not repeated."""
    with pytest.raises(errors.Stalled, match="WBX_API_TOKEN holds no token"):
        tokens.Fixed(token, "WBX_API_TOKEN")


def test_the_variables_token_goes_only_to_the_variables_address(tmp_path: pathlib.Path) -> None:
    """A wbx.toml of a pull request cannot send CI's token to an address of its own."""
    environ = {"WBX_API_TOKEN": "t", "XDG_CONFIG_HOME": str(tmp_path)}

    with pytest.raises(errors.Stalled, match="without WBX_API_URL"):
        signed_in.held("https://evil.example.org", environ)
    environ["WBX_API_URL"] = URL
    assert isinstance(signed_in.held(URL, environ), tokens.Fixed)
    assert isinstance(signed_in.held("https://evil.example.org", environ), tokens.Kept)
