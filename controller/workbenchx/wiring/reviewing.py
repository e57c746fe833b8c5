"""What a worker needs to tell forges and to hear them."""

import asyncio
import contextlib
import pathlib
from typing import Protocol

from workbenchx import ports
from workbenchx.engine import hearing, secrets
from workbenchx.engine.reviewing import reviewer, wording
from workbenchx.forge import addresses, git, merging
from workbenchx.planner import model
from workbenchx.wiring import changes, forges


class Store(reviewer.Store, ports.Sources, ports.Deliveries, Protocol):
    """What is needed of the database."""


def hearer(store: Store, environment: str) -> hearing.Hearer:
    """Whoever follows or reviews the repository of a webhook looks there now; what is wanted anew is said anew."""

    async def again(delivery: ports.Delivery, source: str) -> None:
        own = wording.context(environment, source.rpartition("/")[2])
        if delivery.anew and delivery.after and delivery.context in {None, own}:
            await store.say_again(
                source, delivery.context, commit=delivery.after, again=delivery.anew
            )

    async def tell(delivery: ports.Delivery) -> None:
        for state in await store.source_states():
            url = str(state.spec.get("url"))
            if addresses.key(url) == delivery.repository:
                await again(delivery, state.source)
                await store.ask(state.source)
                await store.ask_reviews(url)

    return hearing.Hearer(store, tell)


async def serve(
    store: Store,
    folder: pathlib.Path,
    *,
    places: secrets.Places,
    clock: ports.Clock,
    policy: model.Policy,
    name: str,
    transports: str = git.TRANSPORTS,
    console: str | None = None,
) -> None:
    """Tell forges and hear them, until cancelled. `console`: what is told links to plans there."""

    def link(plan: str) -> str | None:
        return f"{console}/plans/{plan}" if console else None

    found = forges.Forges(places)
    reads = changes.Changes(merging.Copies(folder, transports=transports), found.credential)
    settings = reviewer.Settings(policy.environment, policy, link)
    made = reviewer.Reviewer(store, reads, found.of, settings, clock=clock, name=name)
    async with contextlib.aclosing(found), asyncio.TaskGroup() as group:
        group.create_task(made.serve(store.changes))
        group.create_task(hearer(store, policy.environment).serve())
