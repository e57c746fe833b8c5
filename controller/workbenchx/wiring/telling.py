"""Forges in a process that serves: nothing of it is loaded before a Source is followed."""

import functools
import pathlib
from collections.abc import Callable, Coroutine
from typing import Protocol

from workbenchx import ports
from workbenchx.engine import context, secrets
from workbenchx.forge import git
from workbenchx.planner import model
from workbenchx.wiring import awaiting, process, settings
from workbenchx.wiring import home as homes


class Store(ports.Store, ports.Reviews, ports.Sources, ports.Deliveries, Protocol):
    """What is needed of the database."""


class Installed(Protocol):
    """What is needed of an embedded installation."""

    @property
    def store(self) -> Store:
        """Its database."""

    @property
    def home(self) -> homes.Home:
        """Its folders."""

    @property
    def policy(self) -> model.Policy:
        """How it plans."""

    @property
    def settings(self) -> settings.Settings:
        """Its settings."""


def of(
    one: Installed, around: context.Context, first: awaiting.Forges
) -> Callable[[], Coroutine[None, None, None]]:
    """What tells the forges of an embedded installation, which may follow repositories on this machine's disk."""
    return functools.partial(
        serve,
        one.store,
        one.home.repositories / "reviews",
        places=around.places,
        clock=around.clock,
        policy=one.policy,
        transports=f"{git.TRANSPORTS}:file",
        console=one.settings.console_url,
        first=first,
    )


async def serve(
    store: Store,
    folder: pathlib.Path,
    *,
    places: secrets.Places,
    clock: ports.Clock,
    policy: model.Policy,
    transports: str,
    console: str | None,
    first: awaiting.Forges,
) -> None:
    """Review pull requests, tell commits and hear webhooks, until cancelled; what is waited for comes `first`.

    `folder` keeps copies of repositories; `console` is the address under which people open plans.
    """
    await first.named()
    from workbenchx.wiring import reviewing  # noqa: PLC0415 - few follow

    await reviewing.serve(
        store,
        folder,
        places=places,
        clock=clock,
        policy=policy,
        name=process.identity("review"),
        transports=transports,
        console=console,
    )
