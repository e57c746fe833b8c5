"""`ports.Registry`: a real registry with token authentication, and a scripted one for answers that no honest one gives."""

import hashlib
from collections.abc import Iterator

import httpx
import pytest
import registry_guarded
import registry_scripted
import registry_tokens
from registry_fixtures import client, guarded

from workbenchx import errors
from workbenchx.forge import realms, registry

__all__ = ["client", "guarded"]

DIGEST = "sha256:" + "ab" * 32


def known(_host: str) -> tuple[str, str]:
    """The credentials that the token server takes."""
    return registry_tokens.USER, registry_tokens.PASSWORD


async def test_a_tag_is_the_digest_of_its_index(
    guarded: registry_guarded.Guarded, client: httpx.AsyncClient
) -> None:
    """Not of the image for one machine; after the tag has moved it is the new one; another tag is not there."""
    asking = registry.Registry(client, credentials=known)
    first, image = guarded.push("3.12", "one", "two")

    assert await asking.digest(f"{guarded.image}:3.12") == first != image
    second, _ = guarded.push("3.12", "three", "four")
    assert await asking.digest(f"{guarded.image}:3.12@{first}") == second != first
    assert await asking.digest(f"{guarded.image}:9.9") is None


async def test_whoever_may_not_pull_knows_nothing(
    guarded: registry_guarded.Guarded, client: httpx.AsyncClient
) -> None:
    """Wrong or no credentials are no proof of absence, and do not show in the message."""
    for credentials in (registry.nobody, lambda _host: ("mallory", "pass-phrase")):
        asking = registry.Registry(client, credentials=credentials)
        with pytest.raises(errors.Waiting) as caught:
            await asking.digest(f"{guarded.image}:3.12")
        assert caught.value.reason == "RegistryUnavailable"
        assert "pass-phrase" not in caught.value.message


async def test_a_registry_that_is_away_is_an_outage(client: httpx.AsyncClient) -> None:
    """Nobody listens at its port: unknown, with the time to ask again."""
    with pytest.raises(errors.Waiting) as caught:
        await registry.Registry(client).digest("127.0.0.1:1/team/python:3.12")

    assert caught.value.reason == "RegistryUnavailable"
    assert caught.value.retry_after > 0


@pytest.fixture
def scripted() -> Iterator[registry_scripted.Scripted]:
    """One that serves."""
    made = registry_scripted.Scripted()
    yield made
    made.close()


async def test_a_digest_without_a_header_is_made_of_the_bytes(
    scripted: registry_scripted.Scripted, client: httpx.AsyncClient
) -> None:
    """The header is only recommended; where it is there and wrong, nothing is believed."""
    body = b'{"schemaVersion": 2}'
    asking = registry.Registry(client)
    scripted.answer = lambda *_: (200, {}, body)
    expected = f"sha256:{hashlib.sha256(body).hexdigest()}"
    assert await asking.digest(f"{scripted.address}/a/b") == expected

    scripted.answer = lambda method, *_: (
        200,
        {"Docker-Content-Digest": "rubbish" if method == "HEAD" else DIGEST},
        body,
    )
    with pytest.raises(errors.Waiting, match="differ"):
        await asking.digest(f"{scripted.address}/a/b")


@pytest.mark.parametrize(
    ("answer", "reason", "after"),
    [
        ((404, {}, b"<html>no such page</html>"), "RegistryUnavailable", 600),
        ((404, {}, b'{"errors": [{"code": "UNSUPPORTED"}]}'), "RegistryUnavailable", 600),
        ((503, {}, b""), "RegistryUnavailable", 600),
        ((403, {}, b'{"errors": [{"code": "DENIED"}]}'), "RegistryUnavailable", 600),
        ((429, {"Retry-After": "17"}, b""), "RateLimited", 17),
        ((429, {}, b""), "RateLimited", 60),
        ((302, {"Location": "http://127.0.0.1:1/x"}, b""), "RegistryUnavailable", 600),
        ((302, {"Location": "https://169.254.169.254/x"}, b""), "RegistryUnavailable", 600),
    ],
)
async def test_what_is_not_surely_absent_is_unknown(
    scripted: registry_scripted.Scripted,
    client: httpx.AsyncClient,
    answer: registry_scripted.Answer,
    reason: str,
    after: float,
) -> None:
    """A page of a proxy, a failure, a refusal, a limit, a redirect to an address: none of them says that a tag is gone."""
    scripted.answer = lambda *_: answer

    with pytest.raises(errors.Waiting) as caught:
        await registry.Registry(client).digest(f"{scripted.address}/a/b:1")
    assert (caught.value.reason, caught.value.retry_after) == (reason, after)


async def test_absence_is_what_the_registry_says_itself(
    scripted: registry_scripted.Scripted, client: httpx.AsyncClient
) -> None:
    """Its own error codes."""
    scripted.answer = lambda *_: (404, {}, b'{"errors": [{"code": "NAME_UNKNOWN"}]}')

    assert await registry.Registry(client).digest(f"{scripted.address}/a/b:1") is None


async def test_a_challenge_of_basic_is_answered(
    scripted: registry_scripted.Scripted, client: httpx.AsyncClient
) -> None:
    """With the credentials of that host, and only once they were asked for."""

    def answer(_method: str, _path: str, said: str) -> registry_scripted.Answer:
        if said.startswith("Basic "):
            return 200, {"Docker-Content-Digest": DIGEST}, b""
        return 401, {"WWW-Authenticate": 'Basic realm="here"'}, b""

    scripted.answer = answer

    assert await registry.Registry(client, credentials=known).digest(scripted.address + "/a/b:1")
    assert scripted.seen[0][2] == ""


async def test_credentials_go_to_no_strange_token_server(
    scripted: registry_scripted.Scripted, client: httpx.AsyncClient
) -> None:
    """A challenge that names another host is not followed, with or without credentials."""
    realm = "https://tokens.example.com/token"
    header = {"WWW-Authenticate": f'Bearer realm="{realm}",service="s"'}
    scripted.answer = lambda *_: (401, header, b"")

    with pytest.raises(errors.Waiting, match="of another domain"):
        await registry.Registry(client, credentials=known).digest(f"{scripted.address}/a/b:1")


@pytest.mark.parametrize(
    ("realm", "host", "good"),
    [
        ("https://auth.docker.io/token", "registry-1.docker.io", True),
        ("https://gitlab.example.com/jwt/auth", "registry.gitlab.example.com", True),
        ("https://quay.example/token", "quay.example", True),
        ("https://quay.example:8443/token", "quay.example", True),
        ("http://auth.docker.io/token", "registry-1.docker.io", False),
        ("https://evil.example/token", "ghcr.example", False),
        ("https://evil.co.uk/token", "foo.co.uk", False),
        ("https://169.254.169.254/", "169.254.169.1", False),
        ("http://127.0.0.1:5001/token", "127.0.0.1:5000", True),
        ("http://127.0.0.1/token", "registry.example.com", False),
        ("https://user@auth.docker.io/token", "registry-1.docker.io", False),
        ("https://notdocker.io/token", "registry-1.docker.io", False),
        ("https://[bad/token", "registry-1.docker.io", False),
    ],
)
def test_a_token_server_is_of_the_registrys_domain(realm: str, host: str, *, good: bool) -> None:
    """Same host or same domain, over TLS; addresses and suffixes of many owners are no domain."""
    assert realms.trusted(realm, host) is good


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("python", ("registry-1.docker.io", "library/python", "latest")),
        ("docker.io/python:3", ("registry-1.docker.io", "library/python", "3")),
        ("docker.io/team/app:3", ("registry-1.docker.io", "team/app", "3")),
        ("team/app:3@sha256:00", ("registry-1.docker.io", "team/app", "3")),
        ("ghcr.example/a/b/c:1.2", ("ghcr.example", "a/b/c", "1.2")),
        ("localhost:5000/a:1", ("localhost:5000", "a", "1")),
    ],
)
def test_names_are_read_as_the_clients_of_images_do(
    image: str, parts: tuple[str, str, str]
) -> None:
    """Host, repository and tag, with their defaults."""
    assert tuple(registry.read(image)) == parts
