"""Which forge a Source has, and whom it is spoken to for: the one place that picks an adapter of `ports.Forge` (decision 173)."""

import dataclasses
import hashlib
import pathlib
from collections.abc import Mapping
from typing import Any, Protocol
from urllib import parse

from workbenchx import errors, ports
from workbenchx.engine import secrets
from workbenchx.forge import (
    addresses,
    committing,
    gitea,
    github,
    github_app,
    pushing,
    reaching,
)

_GITHUB = "github.com"
_KEY = "-----BEGIN "


class Source(secrets.Source, Protocol):
    """What is known of a Source."""

    @property
    def spec(self) -> Mapping[str, Any]:
        """As it is declared."""


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A repository at a forge. `type`: github or gitea; `url`: of GitHub's API, or of Gitea's pages."""

    type: str
    url: str
    owner: str
    name: str


class Forges:
    """Adapters, kept while spec and credential of their Source are what they were."""

    def __init__(self, places: secrets.Places) -> None:
        self._places = places
        self._types: dict[str, str] = {}
        self._made: dict[str, gitea.Gitea | github.GitHub] = {}

    async def aclose(self) -> None:
        """Close every connection; what is asked after that opens others."""
        for each in self._made.values():
            await each.aclose()

    async def of(self, source: Source) -> ports.Forge:
        """The forge of a Source.

        Raises:
            errors.Stalled: reason ForgeRefused: it has none, or no credential; SecretMissing, SecretNotAllowed.
            errors.Waiting: reason ForgeUnavailable, SecretMissing.
        """
        return await self._adapter(source)

    async def credential(self, source: Source) -> str | None:
        """What git shows to the repository of a Source; None: it is public.

        It is the App's token, unless both the App and git have a credential of their own.
        """
        said = _said(source)
        if said.get("app") and not (said.get("credentials") and source.spec.get("credentials")):
            made = await self._adapter(source)
            return await made.token() if isinstance(made, github.GitHub) else None
        reference = source.spec.get("credentials")
        return await secrets.of_source(source, reference, self._places)

    async def author(self, source: Source, otherwise: committing.Identity) -> committing.Identity:
        """Who our commits in the repository of a Source are by, and the key that signs them.

        Raises:
            errors.Stalled, errors.Waiting: the key that is named cannot be had; nothing unsigned takes its place.
        """
        said = _said(source).get("commits") or {}
        named = {name: str(said[name]) for name in ("name", "email") if said.get(name)}
        if reference := said.get("signingKey"):
            named["key"] = await secrets.resolve_one(reference, source, self._places)
        return dataclasses.replace(otherwise, **named)

    def pushes(self, source: Source, folder: pathlib.Path, **more: Any) -> ports.Pushes:
        """The write path to the repository of a Source."""

        async def credential(_: str) -> str | None:
            return await self.credential(source)

        return pushing.Pusher(folder, credential=credential, **more)

    async def _adapter(self, source: Source) -> gitea.Gitea | github.GitHub:
        place = await self._place(source.spec)
        said = _said(source)
        reference = said.get("credentials") or source.spec.get("credentials")
        if not reference:
            raise _refused(source, "spec.credentials names no token for it")
        value = (await secrets.resolve_one(reference, source, self._places)).strip()
        app = said.get("app")
        if not app and value.startswith(_KEY):
            raise _refused(
                source, "the key of spec.credentials is for git alone; name a token in spec.forge"
            )
        told = repr((place, app, hashlib.sha256(value.encode()).hexdigest()))
        if told not in self._made:
            self._made[told] = _make(source, place, app, value)
        return self._made[told]

    async def _place(self, spec: Mapping[str, Any]) -> Place:
        url = str(spec.get("url"))
        address = addresses.parsed(url)
        if address is None:
            raise errors.Stalled(
                f'forge: "{url}" is no repository of a forge', reason="ForgeRefused"
            )
        *prefix, owner = address.owner.split("/")
        pages = "/".join([address.origin or f"https://{address.host}", *prefix])
        said = spec.get("forge") or {}
        kind = said.get("type") or await self._type(address, str(said.get("url") or pages))
        if kind == "github":
            hosted = github.API if address.host == _GITHUB else f"{pages}/api/v3"
            return Place(kind, _clear(str(said.get("url") or hosted)), owner, address.name)
        return Place(kind, _clear(str(said.get("url") or pages)), owner, address.name)

    async def _type(self, address: addresses.Address, url: str) -> str:
        """Found out once, by asking."""
        if address.host == _GITHUB:
            return "github"
        if url not in self._types and await gitea.answers(url):
            self._types[url] = "gitea"
        if url not in self._types:
            raise errors.Stalled(
                f'forge: what answers at "{url}" is not known; say spec.forge.type and spec.forge.url',
                reason="ForgeRefused",
            )
        return self._types[url]


def _said(source: Source) -> Mapping[str, Any]:
    return source.spec.get("forge") or {}


def _make(source: Source, place: Place, app: str | None, value: str) -> gitea.Gitea | github.GitHub:
    token = value.rpartition(":")[2]  # git takes USER:TOKEN, too
    if place.type == "gitea":
        if app:
            raise _refused(source, "spec.forge.app is of GitHub; Gitea takes a token")
        return gitea.with_token(place.url, place.owner, place.name, token)
    if app:
        return github.with_app(
            place.owner, place.name, github_app.App(str(app), value), api=place.url
        )
    return github.with_token(place.owner, place.name, token, api=place.url)


def _clear(url: str) -> str:
    """The URL, unless a credential would be sent in the clear."""
    parts = parse.urlsplit(url)
    if parts.scheme != "https" and not reaching.near(parts.hostname or ""):
        raise errors.Stalled(
            f'forge: "{url}": a token is not sent in the clear: the URL must begin with https://',
            reason="ForgeRefused",
        )
    return url


def _refused(source: Source, why: str) -> errors.Stalled:
    return errors.Stalled(
        f'forge: Source of "{source.spec.get("url")}": {why}', reason="ForgeRefused"
    )
