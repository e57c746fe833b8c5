"""`ports.Registry`: what a tag of an image names now, by the OCI distribution API.

Credentials go to the registry's own host and to a token server of the same domain, never elsewhere, and never without TLS
but on this machine. An answer that is not surely "there is no such tag" is an outage: unknown is not absent.
`forge.digests` remembers answers, and asks no more often than a registry wants to be asked.
"""

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import httpx

from workbenchx import errors
from workbenchx.forge import faults, realms

INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_ACCEPT = ", ".join(
    (
        *INDEXES,
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_HUB, _HUB_NAMES = "registry-1.docker.io", frozenset({"docker.io", "index.docker.io"})
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ABSENT = frozenset({"MANIFEST_UNKNOWN", "NAME_UNKNOWN", "TAG_UNKNOWN"})
_MOST_BYTES = 4 << 20
_MOST_HOPS = 3
_TIMEOUT = 20.0
_LATER = 600.0
_TOKEN_SECONDS, _TOKEN_MOST, _TOKEN_MARGIN = 60, 300, 10

Credentials = Callable[[str], tuple[str, str] | None]


class Reference(NamedTuple):
    """A tag: its registry's host (and port), the repository there, the tag."""

    host: str
    name: str
    tag: str

    @property
    def url(self) -> str:
        """Of its manifest."""
        scheme = "http" if realms.local(self.host) else "https"
        return f"{scheme}://{self.host}/v2/{self.name}/manifests/{self.tag}"


def read(image: str) -> Reference:
    """The parts of [HOST/]NAME[:TAG]; a digest behind it does not count. Without a host it is of the hub."""
    named = image.partition("@")[0]
    first, slash, rest = named.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = _HUB, named if slash else f"library/{named}"
    if first in _HUB_NAMES:
        first, rest = _HUB, rest if "/" in rest else f"library/{rest}"
    head, slash, last = rest.rpartition("/")
    name, _, tag = last.partition(":")
    return Reference(first, f"{head}{slash}{name}", tag or "latest")


def host(named: str) -> str:
    """Where a registry is that people, or a docker config file, name so."""
    plain = named.partition("://")[2] or named
    plain = plain.partition("/")[0].lower()
    return _HUB if plain in _HUB_NAMES else plain


class Away(errors.Waiting):
    """The registry itself does not answer, or wants to be left alone: its other tags need not be asked for now."""


def nobody(_host: str) -> None:
    """No credentials: only what is public can be asked for."""


class Registry:
    """Registries of images. `credentials`: user and password for a host, or None."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        credentials: Credentials = nobody,
        trusted: frozenset[str] = frozenset(),
    ) -> None:
        self._client = client
        self._credentials = credentials
        self._trusted = trusted
        self._signed_in = _SignedIn()

    async def digest(self, image: str, *, known: str | None = None) -> str | None:
        """See ports.Registry.digest. `known`: what it was when it was asked for last; said to the registry, which may answer "still".

        Raises:
            errors.Waiting: reason RateLimited, or RegistryUnavailable: nothing is known.
            errors.Stalled: as `credentials` does.
        """
        wanted = read(image)
        said = self._credentials(wanted.host)
        call = _Call(self._client, wanted, said, self._trusted, self._signed_in)
        try:
            return await call.digest(known)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            told = f"registry: {wanted.host} does not answer ({type(error).__name__})"
            raise Away(told, reason="RegistryUnavailable", retry_after=60.0) from error


def client() -> httpx.AsyncClient:
    """What a Registry asks with: no proxies of the environment's choosing, no redirects that nobody looked at."""
    return httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False, trust_env=True)


class _SignedIn:
    """Tokens of repositories, for as long as they are good; one serves all tags of a repository."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[str, float]] = {}

    def get(self, wanted: Reference) -> str:
        """What to say to the registry; "": nothing is known."""
        said, until = self._kept.get((wanted.host, wanted.name), ("", 0.0))
        return said if until > time.monotonic() else ""

    def keep(self, wanted: Reference, said: str, seconds: float) -> None:
        """From now on say this, for so long."""
        now = time.monotonic()
        self._kept = {place: kept for place, kept in self._kept.items() if kept[1] > now}
        self._kept[wanted.host, wanted.name] = (said, now + seconds)

    def drop(self, wanted: Reference) -> None:
        """It is not good any more."""
        self._kept.pop((wanted.host, wanted.name), None)


class _Call:
    """The questions about one tag. Once a registry has asked who we are, all later ones say it."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        wanted: Reference,
        credentials: tuple[str, str] | None,
        trusted: frozenset[str],
        signed_in: _SignedIn,
    ) -> None:
        self._client = client
        self._wanted = wanted
        self._credentials = credentials
        self._trusted = trusted
        self._signed_in = signed_in
        self._authorization = signed_in.get(wanted)

    async def digest(self, known: str | None) -> str | None:
        """HEAD where the digest is in a header, which counts against no pull limit; else GET, and the bytes are hashed."""
        condition = {"If-None-Match": f'"{known}"'} if known else {}
        answer, _ = await self._ask("HEAD", condition)
        said: str = answer.headers.get("Docker-Content-Digest", "")
        if known and answer.status_code == httpx.codes.NOT_MODIFIED:
            return known
        if answer.status_code == httpx.codes.OK and _DIGEST.fullmatch(said):
            return said
        answer, body = await self._ask("GET", condition)
        if known and answer.status_code == httpx.codes.NOT_MODIFIED:
            return known
        if answer.status_code == httpx.codes.NOT_FOUND:
            if _codes(body) & _ABSENT:
                return None
            raise _unavailable(self._wanted, "404 without a code of a registry", _LATER)
        if answer.status_code != httpx.codes.OK:
            raise self._refused(answer)
        found = f"sha256:{hashlib.sha256(body).hexdigest()}"
        if answer.headers.get("Docker-Content-Digest", found) != found:
            raise _unavailable(self._wanted, "digest and bytes of the answer differ", _LATER)
        return found

    async def _ask(self, method: str, condition: Mapping[str, str]) -> tuple[httpx.Response, bytes]:
        """One question, with a token if one is asked for; one that was kept may be out of date."""
        answer, body = await self._send(method, condition)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            self._signed_in.drop(self._wanted)
            self._authorization = await self._sign_in(answer)
            answer, body = await self._send(method, condition)
        if answer.status_code in {401, 403, 429} or answer.status_code >= 500:
            raise self._refused(answer)
        return answer, body

    async def _send(
        self, method: str, condition: Mapping[str, str]
    ) -> tuple[httpx.Response, bytes]:
        """Through few redirects. Elsewhere than at the registry nobody is told who we are."""
        url = httpx.URL(self._wanted.url)
        for _ in range(_MOST_HOPS):
            own = url.netloc.decode() == self._wanted.host
            headers = {"Accept": _ACCEPT, **condition}
            if own and self._authorization:
                headers["Authorization"] = self._authorization
            answer, body = await self._read(method, url, headers)
            if not answer.has_redirect_location:
                return answer, body
            url = url.join(answer.headers["Location"])
            if url.scheme != "https" or not realms.public_name(url.host):
                break
        raise _unavailable(self._wanted, "it redirects where nobody follows", _LATER)

    async def _read(
        self, method: str, url: httpx.URL, headers: Mapping[str, str]
    ) -> tuple[httpx.Response, bytes]:
        body = b""
        async with self._client.stream(method, url, headers=headers) as answer:
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > _MOST_BYTES:
                    raise _unavailable(self._wanted, "its manifest is too large", _LATER)
        return answer, body

    async def _sign_in(self, answer: httpx.Response) -> str:
        """The Authorization that a challenge asks for.

        Raises:
            errors.Waiting: it cannot be had, or its token server is not of the registry's domain.
        """
        challenge = realms.challenge(answer.headers.get_list("WWW-Authenticate"))
        if challenge is None:
            raise self._refused(answer)
        if challenge.scheme == "basic":
            if self._credentials is None:
                raise self._refused(answer)
            return self._kept(_basic(self._credentials), _TOKEN_MOST)
        if not realms.trusted(challenge.realm, self._wanted.host, self._trusted):
            told = f'its token server "{challenge.realm}" is of another domain'
            raise _unavailable(self._wanted, told, _LATER)
        headers = {"Authorization": _basic(self._credentials)} if self._credentials else {}
        asked = httpx.URL(challenge.realm).copy_merge_params(
            {"service": challenge.service, "scope": f"repository:{self._wanted.name}:pull"}
        )
        given, body = await self._read("GET", asked, headers)
        found = _document(body) if given.status_code == httpx.codes.OK else {}
        token = _token(found)
        if token is None:
            raise self._refused(given)
        said = found.get("expires_in")
        seconds = said if isinstance(said, int) else _TOKEN_SECONDS
        return self._kept(f"Bearer {token}", min(seconds, _TOKEN_MOST) - _TOKEN_MARGIN)

    def _kept(self, said: str, seconds: float) -> str:
        self._signed_in.keep(self._wanted, said, seconds)
        return said

    def _refused(self, answer: httpx.Response) -> errors.Waiting:
        status, host = answer.status_code, self._wanted.host
        if status == httpx.codes.TOO_MANY_REQUESTS:
            told = f"registry: {host} asks to be called less often"
            return Away(told, reason="RateLimited", retry_after=faults.pause(answer.headers))
        if status >= 500:
            told = f"registry: {host} fails ({status})"
            return Away(told, reason="RegistryUnavailable", retry_after=_LATER)
        what = "refuses us" if status in {401, 403} else "fails"
        return _unavailable(self._wanted, f"{host} {what} ({status})", _LATER)


def _basic(credentials: tuple[str, str]) -> str:
    return f"Basic {base64.b64encode(':'.join(credentials).encode()).decode()}"


def _unavailable(wanted: Reference, told: str, seconds: float) -> errors.Waiting:
    return errors.Waiting(
        f"registry: {wanted.name}:{wanted.tag}: {told}",
        reason="RegistryUnavailable",
        retry_after=seconds,
    )


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _codes(body: bytes) -> set[str]:
    """The codes of an error of the distribution API."""
    found = _document(body).get("errors")
    items = found if isinstance(found, list) else []
    return {str(item.get("code")) for item in items if isinstance(item, dict)}


def _token(found: Mapping[str, Any]) -> str | None:
    token = found.get("token") or found.get("access_token")
    return token if isinstance(token, str) and token.isascii() and token.isprintable() else None
