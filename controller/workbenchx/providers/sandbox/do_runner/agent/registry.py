"""Pulls an image by its digest: every byte is checked against a digest that the one before named. Standard library only.

What is not public is pulled with the sign-in that was sealed for this machine: it goes to that registry, and to a
token server of its own domain, over TLS.
"""

import base64
import contextlib
import hashlib
import http.client
import json
import pathlib
import platform
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from workbenchx import errors
from workbenchx.providers.sandbox.do_runner.agent import calls

_HUB = "registry-1.docker.io"
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_INDEXES = _MANIFESTS[2:]
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_MOST = 4 << 20
_SHORT = 3
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class Reference(NamedTuple):
    """An image by digest."""

    registry: str
    name: str
    digest: str

    @property
    def url(self) -> str:
        """Of the repository. A registry of this machine needs no TLS."""
        local = self.registry.partition(":")[0] in {"127.0.0.1", "localhost"}
        return f"{'http' if local else 'https'}://{self.registry}/v2/{self.name}"


class Layer(NamedTuple):
    """One layer, in a file."""

    path: pathlib.Path
    media_type: str


class Image(NamedTuple):
    """What was pulled. `config`: the part of the image's configuration that a program starts with."""

    layers: list[Layer]
    config: Mapping[str, Any]


def read(image: str) -> Reference:
    """The parts of NAME@sha256:DIGEST.

    Raises:
        errors.Stalled: reason InvalidSpec: it is not pinned.
    """
    named, _, digest = image.partition("@")
    if not _DIGEST.fullmatch(digest):
        raise errors.Stalled(
            f'image is not pinned: "{image}", must be NAME@sha256:DIGEST', reason="InvalidSpec"
        )
    first, slash, rest = named.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = _HUB, named if slash else f"library/{named}"
    first = host(first)
    head, slash, last = rest.rpartition("/")
    return Reference(first, f"{head}{slash}{last.partition(':')[0]}", digest)


def host(named: str) -> str:
    """Where a registry is that is named so."""
    return _HUB if named == "docker.io" else named


class Puller:
    """One pull into a folder; it may be tried again, and takes what is there already. `sign_in`: username and password."""

    def __init__(
        self,
        reference: Reference,
        folder: pathlib.Path,
        sign_in: Mapping[str, str] | None = None,
    ) -> None:
        self._reference = reference
        self._folder = folder
        self._sign_in = sign_in
        self._headers: dict[str, str] = {}

    def pull(self) -> Image:
        """The image for this machine.

        Raises:
            calls.AwayError: it may be had later.
            errors.Stalled: reason RuntimeUnavailable: it never can.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        manifest = self._manifest(self._reference.digest)
        if manifest.get("mediaType") in _INDEXES or "manifests" in manifest:
            manifest = self._manifest(_chosen(manifest, self._reference))
        config = json.loads(self._blob(manifest["config"]["digest"]).read_bytes())
        layers = [
            Layer(self._blob(each["digest"]), str(each["mediaType"])) for each in manifest["layers"]
        ]
        return Image(layers, config.get("config") or {})

    def _manifest(self, digest: str) -> dict[str, Any]:
        data = self._got(f"{self._reference.url}/manifests/{digest}", ", ".join(_MANIFESTS))
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
            raise calls.AwayError(f"the manifest is not {digest}")
        found: dict[str, Any] = json.loads(data)
        return found

    def _blob(self, digest: str) -> pathlib.Path:
        if not _DIGEST.fullmatch(digest):
            raise _never(self._reference, f'it names a part "{digest}"')
        target = self._folder / digest.partition(":")[2]
        if not target.exists():
            partial = target.with_suffix(".partial")
            url = f"{self._reference.url}/blobs/{digest}"
            try:
                calls.download(url, partial, target.name, self._headers)
            except calls.RefusedError as problem:
                if problem.status != 401 or not self._headers:
                    raise _never(
                        self._reference, f"its registry refuses it ({problem})"
                    ) from problem
                self._headers = {}  # its time was over; the next try gets another
                raise calls.AwayError(str(problem)) from problem
            partial.rename(target)
        return target

    def _got(self, url: str, accept: str) -> bytes:
        """A small document; a registry that wants a token is asked for one, as anybody or with the sign-in."""
        try:
            with _opened(url, {"Accept": accept, **self._headers}) as answer:
                return answer.read(_MOST)
        except calls.RefusedError as problem:
            told = None
            if problem.status == 401 and not self._headers:
                told = self._permitted(problem.challenge)
            if told is None:
                raise _never(self._reference, f"its registry refuses it ({problem})") from problem
            self._headers = {"Authorization": told}
        return self._got(url, accept)

    def _permitted(self, challenge: str) -> str | None:
        try:
            return self._authorization(challenge)
        except calls.RefusedError as problem:
            raise _never(self._reference, f"no token is given for it ({problem})") from problem

    def _authorization(self, challenge: str) -> str | None:
        """What the registry wants to be shown; None: what we do not have."""
        basic = _basic(self._sign_in) if self._sign_in else ""
        if challenge.startswith("Bearer "):
            return f"Bearer {_token(challenge, basic, self._reference.registry)}"
        return basic or None if challenge.lower().startswith("basic") else None


def _basic(sign_in: Mapping[str, str]) -> str:
    said = f"{sign_in['username']}:{sign_in['password']}".encode()
    return f"Basic {base64.b64encode(said).decode('ascii')}"


@contextlib.contextmanager
def _opened(url: str, headers: Mapping[str, str]) -> Iterator[http.client.HTTPResponse]:
    """An answer that is open until the end of the block."""
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - calls looks at the scheme
    with calls.asked(request) as answer:
        yield answer


def trusted(realm: str, registry: str) -> bool:
    """Whether a token server may be told who we are: over TLS, at the registry's host or in its domain; or all on this machine.

    A domain is two labels at least, and not two short ones, which are many owners'.
    """
    url = urllib.parse.urlsplit(realm)
    server, own = url.hostname or "", registry.partition(":")[0].lower()
    if url.scheme != "https":
        return url.scheme == "http" and {server, own} <= {"127.0.0.1", "localhost"}
    labels = own.split(".")[1:]
    owned = len(labels) > 1 and max(map(len, labels[-2:])) > _SHORT and not labels[-1].isdigit()
    return server == own or (owned and f".{server}".endswith(f".{'.'.join(labels)}"))


def _token(challenge: str, basic: str, registry: str) -> str:
    """One that the registry takes."""
    said = dict(_CHALLENGE.findall(challenge))
    realm = said.pop("realm", "")
    query = urllib.parse.urlencode(
        {name: said[name] for name in ("service", "scope") if name in said}
    )
    shown = {"Authorization": basic} if basic and trusted(realm, registry) else {}
    with _opened(f"{realm}?{query}", shown) as answer:
        found = json.loads(answer.read(_MOST))
    return str(found.get("token") or found.get("access_token") or "")


def _chosen(index: Mapping[str, Any], reference: Reference) -> str:
    wanted = _MACHINES.get(platform.machine(), platform.machine())
    for each in index["manifests"]:
        about = each.get("platform") or {}
        if about.get("os") == "linux" and about.get("architecture") == wanted:
            return str(each["digest"])
    raise _never(reference, f"it has nothing for linux/{wanted}")


def _never(reference: Reference, why: str) -> errors.Stalled:
    return errors.Stalled(
        f'image cannot be had: "{reference.registry}/{reference.name}@{reference.digest}": {why}',
        reason="RuntimeUnavailable",
    )
