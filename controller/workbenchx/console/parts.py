"""What the application is put together from, and what its routes reach through the request."""

import dataclasses
from typing import Literal, cast

import fastapi

from workbenchx import ports
from workbenchx.console import hub, limits, metrics
from workbenchx.console.auth import local, tokens
from workbenchx.store import callers

Mode = Literal["embedded", "supabase"]


@dataclasses.dataclass(frozen=True, slots=True)
class SignIn:
    """How people sign in; told to everybody who asks (`GET /api/v1/auth`)."""

    mode: Mode
    issuer: str
    auth_url: str | None = None
    publishable_key: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Parts:
    """One console.

    `signing`: of the embedded user's tokens; `storage`: None where this process cannot sign links; `migrations`: the
    versions that this program needs.
    """

    sign_in: SignIn
    callers: callers.Callers
    verifier: tokens.Verifier
    hub: hub.Hub
    migrations: frozenset[str]
    signing: local.LocalAuth | None = None
    storage: ports.StorageProvider | None = None
    hosts: frozenset[str] = frozenset()
    origins: tuple[str, ...] = ()
    bounds: limits.Limits = dataclasses.field(default_factory=limits.Limits)
    meters: metrics.Meters = dataclasses.field(default_factory=metrics.Meters)


def of(request: fastapi.Request) -> Parts:
    """The parts of the application that answers this request."""
    return cast("Parts", request.app.state.parts)
