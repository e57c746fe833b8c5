"""`ports.Registry`: what a tag of an image names now, by the OCI distribution API.

Credentials go to the registry's own host and to a token server of the same domain, never elsewhere, and never without TLS
but on this machine. An answer that is not surely "there is no such tag" is an outage: unknown is not absent.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import httpx

from workbenchx import errors
from workbenchx.forge import realms

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

    async def digest(self, image: str) -> str | None:
        """See ports.Registry.digest.

        Raises:
            errors.Waiting: reason RateLimited, or RegistryUnavailable: nothing is known.
        """
        wanted = read(image)
        call = _Call(self._client, wanted, self._credentials(wanted.host), self._trusted)
        try:
            return await call.digest()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            told = f"{wanted.host} does not answer ({type(error).__name__})"
            raise _unavailable(wanted, told, 60.0) from error


def client() -> httpx.AsyncClient:
    """What a Registry asks with: no proxies of the environment's choosing, no redirects that nobody looked at."""
    return httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False, trust_env=True)


class _Call:
    """The questions about one tag. Once a registry has asked who we are, all later ones say it."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        wanted: Reference,
        credentials: tuple[str, str] | None,
        trusted: frozenset[str],
    ) -> None:
        self._client = client
        self._wanted = wanted
        self._credentials = credentials
        self._trusted = trusted
        self._authorization = ""

    async def digest(self) -> str | None:
        """HEAD where the digest is in a header, which counts against no pull limit; else GET, and the bytes are hashed."""
        answer, _ = await self._ask("HEAD")
        said: str = answer.headers.get("Docker-Content-Digest", "")
        if answer.status_code == httpx.codes.OK and _DIGEST.fullmatch(said):
            return said
        answer, body = await self._ask("GET")
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

    async def _ask(self, method: str) -> tuple[httpx.Response, bytes]:
        """One question, with a token if one is asked for."""
        answer, body = await self._send(method)
        if answer.status_code == httpx.codes.UNAUTHORIZED and not self._authorization:
            self._authorization = await self._sign_in(answer)
            answer, body = await self._send(method)
        if answer.status_code in {401, 403, 429} or answer.status_code >= 500:
            raise self._refused(answer)
        return answer, body

    async def _send(self, method: str) -> tuple[httpx.Response, bytes]:
        """Through few redirects. Elsewhere than at the registry nobody is told who we are."""
        url = httpx.URL(self._wanted.url)
        for _ in range(_MOST_HOPS):
            own = url.netloc.decode() == self._wanted.host
            headers = {"Accept": _ACCEPT}
            if own and self._authorization:
                headers["Authorization"] = self._authorization
            answer, body = await self._read(method, url, headers)
            if not answer.is_redirect:
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
            return _basic(self._credentials)
        if not realms.trusted(challenge.realm, self._wanted.host, self._trusted):
            told = f'its token server "{challenge.realm}" is of another domain'
            raise _unavailable(self._wanted, told, _LATER)
        headers = {"Authorization": _basic(self._credentials)} if self._credentials else {}
        asked = httpx.URL(challenge.realm).copy_merge_params(
            {"service": challenge.service, "scope": f"repository:{self._wanted.name}:pull"}
        )
        given, body = await self._read("GET", asked, headers)
        token = _token(body) if given.status_code == httpx.codes.OK else None
        if token is None:
            raise self._refused(given)
        return f"Bearer {token}"

    def _refused(self, answer: httpx.Response) -> errors.Waiting:
        status = answer.status_code
        if status == httpx.codes.TOO_MANY_REQUESTS:
            after = answer.headers.get("Retry-After", "")
            seconds = float(after) if after.isdecimal() else 60.0
            told = f"registry: {self._wanted.host} asks to be called less often"
            return errors.Waiting(told, reason="RateLimited", retry_after=seconds)
        what = "refuses us" if status in {401, 403} else "fails"
        return _unavailable(self._wanted, f"{self._wanted.host} {what} ({status})", _LATER)


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


def _token(body: bytes) -> str | None:
    found = _document(body)
    token = found.get("token") or found.get("access_token")
    return token if isinstance(token, str) and token.isascii() and token.isprintable() else None
