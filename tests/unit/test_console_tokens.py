"""Tokens: what is taken and what is refused, against a real auth server with real keys."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import console_auth
import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from workbenchx import errors
from workbenchx.console import problems
from workbenchx.console.auth import keys, tokens

ADA = "aaaaaaaa-0000-4000-8000-000000000001"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        """For the cache of keys."""
        return time.monotonic() + self.ahead

    def time(self) -> float:
        """For the times in tokens."""
        return time.time() + self.ahead


@pytest.fixture
def auth() -> Iterator[console_auth.SupabaseAuth]:
    """The auth server."""
    with console_auth.serving() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    """The clock."""
    return Clock()


@pytest.fixture
async def remote(auth: console_auth.SupabaseAuth, clock: Clock) -> AsyncIterator[keys.Remote]:
    """Its keys."""
    found = keys.Remote(f"{auth.url}/.well-known/jwks.json", now=clock.monotonic)
    yield found
    await found.close()


def verifier(
    auth: console_auth.SupabaseAuth, remote: keys.Keys, clock: Clock, **trust: Any
) -> tokens.Verifier:
    """What accepts the server's tokens."""
    trusted = tokens.Trust(auth.url, "authenticated", **trust)
    return tokens.Verifier(trusted, remote, now=clock.time)


async def refused(checking: tokens.Verifier, token: str) -> str:
    """What is said of a token that is refused."""
    with pytest.raises(problems.Problem) as caught:
        await checking.verify(token)
    assert caught.value.status == 401
    assert caught.value.reason == "NotSignedIn"
    assert "WWW-Authenticate" in caught.value.headers
    return caught.value.detail


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_a_users_token_is_taken(
    algorithm: str, auth: console_auth.SupabaseAuth, remote: keys.Remote, clock: Clock
) -> None:
    """Both algorithms that Supabase signs with."""
    auth.rotate(algorithm)

    found = await verifier(auth, remote, clock).verify(auth.token(ADA))
    assert (found["sub"], found["role"]) == (ADA, "authenticated")


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://other.supabase.co/auth/v1"},
        {"iss": None},
        {"aud": "anon"},
        {"aud": ["a", "b"]},
        {"aud": None},
        {"exp": None},
        {"exp": "9999999999"},
        {"exp": True},
        {"exp": int(time.time()) - 60},
        {"nbf": int(time.time()) + 86400},
        {"iat": int(time.time()) + 86400},
        {"iat": "now"},
        {"role": "anon"},
        {"role": "service_role"},
        {"role": None},
        {"is_anonymous": True},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 201},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
async def test_one_wrong_claim_is_enough(
    wrong: dict[str, Any],
    auth: console_auth.SupabaseAuth,
    remote: keys.Remote,
    clock: Clock,
) -> None:
    """Issuer, audience, times, role and subject are each checked, although the signature is right."""
    told = await refused(verifier(auth, remote, clock), auth.token(ADA, **wrong))

    assert ADA not in told


async def test_times_have_a_little_leeway(
    auth: console_auth.SupabaseAuth, remote: keys.Remote, clock: Clock
) -> None:
    """Clocks differ by seconds: five are forgiven, sixty are not."""
    now = int(time.time())
    checking = verifier(auth, remote, clock)

    assert await checking.verify(auth.token(ADA, exp=now - 5, nbf=now + 5, iat=now + 5))
    assert "expired" in await refused(checking, auth.token(ADA, exp=now - 60))


async def test_no_algorithm_but_the_keys_own(
    auth: console_auth.SupabaseAuth, remote: keys.Remote, clock: Clock
) -> None:
    """`none`, HS256 with the public key as its secret, and another algorithm than the key's are refused."""
    checking = verifier(auth, remote, clock)
    signer = auth.signers[0]
    claims = auth.claims(ADA)
    pem = signer.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    for algorithm in ("none", "NONE", "None", ""):
        await refused(checking, console_auth.unsigned(claims, kid=signer.kid, alg=algorithm))
    for secret in (pem, json.dumps(signer.public).encode(), signer.kid.encode(), b""):
        await refused(checking, _hs256(claims, secret, kid=signer.kid))
    await refused(checking, _relabelled(auth.token(ADA), alg="RS256"))
    await refused(checking, auth.legacy_token(ADA))


async def test_eddsa_only_where_it_was_asked_for(
    auth: console_auth.SupabaseAuth, remote: keys.Remote, clock: Clock
) -> None:
    """A key for EdDSA is of no use unless the settings name it."""
    auth.rotate("EdDSA")
    token = auth.token(ADA)

    await refused(verifier(auth, remote, clock), token)
    algorithms = frozenset({"ES256", "EdDSA"})
    assert await verifier(auth, remote, clock, algorithms=algorithms).verify(token)


async def test_hs256_only_with_the_legacy_secret(
    auth: console_auth.SupabaseAuth, remote: keys.Remote, clock: Clock
) -> None:
    """The explicit setting makes old tokens good; new ones stay good; the public key is still no secret."""
    secret = tokens.legacy(console_auth.LEGACY_SECRET)
    checking = verifier(auth, remote, clock, legacy_secret=secret)

    assert await checking.verify(auth.legacy_token(ADA))
    assert await checking.verify(auth.token(ADA))
    await refused(checking, _hs256(auth.claims(ADA), json.dumps(auth.signers[0].public).encode()))
    await refused(checking, auth.legacy_token(ADA, iss="supabase"))
    with pytest.raises(ValueError, match="shorter"):
        tokens.legacy("short")


@pytest.mark.parametrize(
    "header",
    [
        {"kid": None},
        {"kid": 7},
        {"kid": "../../etc/passwd"},
        {"kid": "' or 1=1 --"},
        {"kid": "k" * 200},
        {"kid": "unknown"},
        {"jku": "http://127.0.0.1:9/keys"},
        {"x5u": "http://127.0.0.1:9/chain"},
        {"jwk": {"kty": "EC"}},
        {"crit": ["exp"]},
        {"zip": "DEF"},
        {"typ": "secret"},
    ],
    ids=str,
)
async def test_a_header_cannot_choose_the_key(
    header: dict[str, Any], auth: console_auth.SupabaseAuth, remote: keys.Remote, clock: Clock
) -> None:
    """An id is compared and nothing else; a token that brings a key, a place of one or rules of its own is refused."""
    signer = auth.signers[0]
    said = {"kid": signer.kid, **header}
    if said["kid"] is None:
        del said["kid"]
    token = _signed(signer, auth.claims(ADA), {"alg": "ES256", "typ": "JWT", **said})

    await refused(verifier(auth, remote, clock), token)


@pytest.mark.parametrize(
    "token",
    ["", "x", "a.b", "a.b.c", "....", "é.é.é", "a" * 9000, "e30.e30.", "bnVsbA.e30.x", "W10.e30.x"],
    ids=lambda token: token[:12],
)
async def test_what_is_no_token_is_refused(
    token: str, auth: console_auth.SupabaseAuth, remote: keys.Remote, clock: Clock
) -> None:
    """Whatever is sent: never an error of ours, and the auth server is not asked."""
    await refused(verifier(auth, remote, clock), token)
    assert auth.fetches == 0


async def test_a_changed_token_is_refused(
    auth: console_auth.SupabaseAuth, remote: keys.Remote, clock: Clock
) -> None:
    """Claims are signed: more of them, or others, break the signature."""
    head, _, signature = auth.token(ADA).split(".")
    forged = auth.claims(ADA, app_metadata={"wbx_role": "platform"})

    await refused(verifier(auth, remote, clock), f"{head}.{_part(forged)}.{signature}")
    await refused(verifier(auth, remote, clock), f"{head}.{_part(forged)}.")


async def test_a_rotation_is_survived(
    auth: console_auth.SupabaseAuth, remote: keys.Remote, clock: Clock
) -> None:
    """The first token of a new key leads to one fetch; tokens of the old key are good until it is withdrawn."""
    checking = verifier(auth, remote, clock)
    old = auth.token(ADA)
    await checking.verify(old)
    auth.rotate()
    clock.ahead = 31

    await checking.verify(auth.token(ADA))
    await checking.verify(old)
    assert auth.fetches == 2
    auth.signers = auth.signers[:1]
    clock.ahead = 700
    assert await checking.verify(auth.token(ADA, exp=int(time.time()) + 7200))
    assert remote._refresh is not None
    await remote._refresh
    await refused(checking, auth.token(ADA, signer=console_auth.Signer("ES256")))
    await refused(checking, old)


async def test_unknown_keys_do_not_flood_the_auth_server(
    auth: console_auth.SupabaseAuth, remote: keys.Remote, clock: Clock
) -> None:
    """A hundred forged ids are one fetch, and one more after the cool-down."""
    checking = verifier(auth, remote, clock)
    for _ in range(100):
        await refused(checking, auth.token(ADA, signer=console_auth.Signer("ES256")))
    assert auth.fetches == 1
    clock.ahead = 31
    for _ in range(10):
        await refused(checking, auth.token(ADA, signer=console_auth.Signer("ES256")))
    assert auth.fetches == 2


async def test_an_auth_server_that_is_away_is_survived_for_a_while(
    auth: console_auth.SupabaseAuth, remote: keys.Remote, clock: Clock
) -> None:
    """Known keys serve on for six hours; after that nobody is believed, and the answer is to wait."""
    checking = verifier(auth, remote, clock)
    far = int(time.time()) + 100_000
    token = auth.token(ADA, exp=far)
    await checking.verify(token)
    auth.away = True
    for hours in (1, 3, 5):
        clock.ahead = hours * 3600
        await checking.verify(token)
    clock.ahead = 7 * 3600
    with pytest.raises(errors.Waiting) as caught:
        await checking.verify(token)
    assert caught.value.reason == "AuthUnavailable"
    auth.away = False
    clock.ahead += 31
    assert await checking.verify(token)


async def test_keys_that_are_none_are_passed_over(
    auth: console_auth.SupabaseAuth, remote: keys.Remote, clock: Clock
) -> None:
    """A symmetric key, one for encryption, a weak one and plain nonsense neither count nor hide the good one."""
    weak = console_auth.Signer("RS256").public | {"n": "AQAB", "kid": "weak"}
    auth.extra = [
        {
            "kty": "oct",
            "kid": "oct",
            "k": base64.urlsafe_b64encode(b"x" * 32).decode(),
            "alg": "HS256",
        },
        auth.signers[0].public | {"kid": "enc", "use": "enc"},
        auth.signers[0].public | {"kid": "ops", "key_ops": ["encrypt"]},
        auth.signers[0].public | {"kid": "off", "crv": "P-521"},
        weak,
        {"kid": "nothing"},
        "nonsense",  # type: ignore[list-item]  # a server may say anything
    ]

    assert await verifier(auth, remote, clock).verify(auth.token(ADA))
    for kid in ("oct", "enc", "ops", "off", "weak", "nothing"):
        assert await remote.find(kid) is None


@pytest.mark.parametrize("document", [None, [], {}, {"keys": None}, "keys"])
def test_a_document_that_is_no_jwks_is_refused(document: Any) -> None:
    """So that it cannot replace the keys that are known."""
    with pytest.raises(ValueError, match="no list"):
        keys.parse(document)


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _signed(signer: console_auth.Signer, claims: dict[str, Any], header: dict[str, Any]) -> str:
    """A token with a header of any form, rightly signed."""
    head = f"{_part(header)}.{_part(claims)}"
    algorithm = jwt.get_algorithm_by_name(signer.algorithm)
    signature = algorithm.sign(head.encode(), signer.private)
    return f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _hs256(claims: dict[str, Any], secret: bytes, **header: Any) -> str:
    """A token whose secret is anything; PyJWT itself refuses to sign with a public key."""
    head = f"{_part({'alg': 'HS256', 'typ': 'JWT', **header})}.{_part(claims)}"
    digest = hmac.new(secret, head.encode(), hashlib.sha256).digest()
    return f"{head}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _relabelled(token: str, **header: Any) -> str:
    """The same token under another header."""
    head, claims, signature = token.split(".")
    said = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    return f"{_part(said | header)}.{claims}.{signature}"
