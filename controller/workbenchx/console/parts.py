"""What the application is put together from, and what its routes reach through the request."""

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Literal, Protocol, cast, runtime_checkable

import fastapi

from workbenchx import ports
from workbenchx.console import hub, limits, metrics
from workbenchx.console.auth import local, tokens
from workbenchx.engine import secrets
from workbenchx.engine.answering import gateway as gateways
from workbenchx.store import callers, connections

Mode = Literal["embedded", "supabase"]
# Passages of a project's texts: project, query, limit (wiring/answering).
Searching = Callable[[str, str, int], Awaitable[ports.Row]]


@dataclasses.dataclass(frozen=True, slots=True)
class SignIn:
    """How people sign in; told to everybody who asks (`GET /api/v1/auth`)."""

    mode: Mode
    issuer: str
    auth_url: str | None = None
    publishable_key: str | None = None


class Shelf(Protocol):
    """Where artifacts lie, as it is recorded (wiring/storing)."""

    async def storage(self, source: connections.Transactions) -> ports.StorageProvider:
        """The storage, looked up as whoever asks; Stalled where there is none, or no credentials."""


class Grant(Protocol):
    """What a link allows."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the answer."""


@runtime_checkable
class Blobs(Protocol):
    """Bytes behind links that this server made itself (providers/storage/links)."""

    def verify_link(self, sha256: str, query: Mapping[str, str]) -> Grant:
        """What the link allows; Stalled(LinkRefused)."""

    async def exists(self, sha256: str) -> bool:
        """Whether the bytes are there."""

    def open(self, sha256: str) -> AsyncIterator[bytes]:
        """The bytes."""


def _nothing(_: str) -> None:
    """No variable of the environment."""


@dataclasses.dataclass(frozen=True, slots=True)
class Parts:
    """One console.

    `signing`: of the embedded user's tokens; `storage`: that of this machine; `shelf`: else, that which is recorded; `blobs`:
    where this process serves links itself; `sandboxes`: those of this machine; `migrations`: the versions that this program needs;
    `gateway`: to models, where this process has the engine's login, and `searching` the texts of a project for it;
    `places`: where the secrets are that forges sign their webhooks with;
    `alone`: this process serves models and nothing else.
    """

    sign_in: SignIn
    callers: callers.Callers
    verifier: tokens.Verifier
    hub: hub.Hub
    migrations: frozenset[str]
    signing: local.LocalAuth | None = None
    storage: ports.StorageProvider | None = None
    shelf: Shelf | None = None
    blobs: Blobs | None = None
    sandboxes: Mapping[str, ports.SandboxProvider] = dataclasses.field(default_factory=dict)
    stand_in: str | None = None
    embedder: ports.Embedder | None = None
    gateway: gateways.Gateway | None = None
    searching: Searching | None = None
    places: secrets.Places = dataclasses.field(default_factory=lambda: secrets.Places(_nothing))
    alone: bool = False
    hosts: frozenset[str] = frozenset()
    origins: tuple[str, ...] = ()
    bounds: limits.Limits = dataclasses.field(default_factory=limits.Limits)
    meters: metrics.Meters = dataclasses.field(default_factory=metrics.Meters)


def of(request: fastapi.Request) -> Parts:
    """The parts of the application that answers this request."""
    return cast("Parts", request.app.state.parts)
