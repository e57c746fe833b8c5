"""Forges in a process that serves: nothing of it is loaded before a Source is followed."""

import pathlib
from typing import Protocol

from workbenchx import ports
from workbenchx.engine import patience, secrets
from workbenchx.planner import model
from workbenchx.wiring import process


class Store(ports.Store, ports.Reviews, ports.Sources, ports.Deliveries, Protocol):
    """What is needed of the database."""


async def serve(
    store: Store,
    folder: pathlib.Path,
    *,
    places: secrets.Places,
    clock: ports.Clock,
    policy: model.Policy,
    transports: str,
) -> None:
    """Review pull requests, tell commits and hear webhooks, until cancelled. `folder` keeps copies of repositories."""
    async for _ in patience.surviving(store.changes):
        with patience.database_pauses():
            if await _wanted(store):
                break
    from workbenchx.wiring import reviewing  # noqa: PLC0415 - few follow

    await reviewing.serve(
        store,
        folder,
        places=places,
        clock=clock,
        policy=policy,
        name=process.identity("review"),
        transports=transports,
    )


async def _wanted(store: Store) -> bool:
    """Whether a forge is named, or webhooks may come."""
    if await store.next_review() is not None:
        return True
    return any(state.source != ports.GIVEN for state in await store.source_states())
