"""What a worker needs to tell forges and to hear them: copies of repositories, the forge of each Source, and its token."""

import asyncio
import contextlib
import pathlib
from typing import Any, Protocol

from workbenchx import errors, ports
from workbenchx.engine import following, hearing, secrets
from workbenchx.engine.reviewing import reviewer
from workbenchx.forge import addresses, gitea, github, merging
from workbenchx.planner import model
from workbenchx.wiring import changes


class Store(reviewer.Store, ports.Sources, ports.Deliveries, Protocol):
    """What is needed of the database."""


Speaking = gitea.Gitea | github.GitHub


class Forges:
    """The forge of each Source, by its token; kept as long as address and token stay the same."""

    def __init__(self, places: secrets.Places) -> None:
        self._places = places
        self._kept: dict[str, tuple[tuple[str, ...], Speaking]] = {}

    async def token(self, source: ports.Reviewable) -> str | None:
        """What `spec.credentials` holds; None: it names none.

        Raises:
            errors.Stalled: reason SecretMissing or SecretNotAllowed.
        """
        reference = source.spec.get("credentials")
        if not reference:
            return None
        found = await secrets.resolve(
            {"env": [{"name": "token", "secretRef": reference}]},
            project=source.project or _platform(source),
            namespace=source.namespace,
            places=self._places,
        )
        return found["token"]

    async def __call__(self, source: ports.Reviewable) -> ports.Forge:
        """The forge.

        Raises:
            errors.Stalled: its address or token is not known.
        """
        token = await self.token(source)
        place = addresses.parsed(source.url)
        if token is None or place is None:
            lacks = "spec.credentials" if token is None else "a URL that names owner and repository"
            raise errors.Stalled(
                f"forge: Source/{source.name} names a forge, and lacks {lacks}",
                reason="SecretMissing" if token is None else "ForgeRefused",
            )
        said = source.spec["forge"]
        key = (source.url, str(said), token)
        kept = self._kept.get(source.source)
        if kept is None or kept[0] != key:
            await self._close(kept)
            kept = self._kept[source.source] = (key, _made(said, place, token))
        return kept[1]

    async def aclose(self) -> None:
        """Close every connection."""
        while self._kept:
            await self._close(self._kept.popitem()[1])

    async def _close(self, kept: tuple[tuple[str, ...], Speaking] | None) -> None:
        if kept is not None:
            await kept[1].aclose()


def _platform(source: ports.Reviewable) -> str | None:
    """Whose secrets the platform's own sources may name, as for fetching."""
    return following.SYSTEM_NAMESPACE if source.namespace == following.SYSTEM_NAMESPACE else None


def _made(said: dict[str, Any], place: addresses.Address, token: str) -> Speaking:
    url = said.get("url")
    if said.get("type") == "github":
        return github.with_token(place.owner, place.name, token, api=url or github.API)
    where = url or place.origin
    if where is None:
        raise errors.Stalled(
            "forge: a repository that is fetched by ssh needs spec.forge.url", reason="ForgeRefused"
        )
    return gitea.with_token(where, place.owner, place.name, token)


def hearer(store: Store) -> hearing.Hearer:
    """Whoever follows or reviews the repository of a webhook looks there now."""

    async def tell(delivery: ports.Delivery) -> None:
        for state in await store.source_states():
            url = str(state.spec.get("url"))
            if addresses.key(url) == delivery.repository:
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
    transports: str = merging.TRANSPORTS,
    console: str | None = None,
) -> None:
    """Tell forges and hear them, until cancelled. `console`: what is told links to plans there."""

    def link(plan: str) -> str | None:
        return f"{console}/plans/{plan}" if console else None

    forges = Forges(places)
    reads = changes.Changes(merging.Copies(folder, transports=transports), forges.token)
    settings = reviewer.Settings(policy.environment, policy, link)
    made = reviewer.Reviewer(store, reads, forges, settings, clock=clock, name=name)
    async with contextlib.aclosing(forges), asyncio.TaskGroup() as group:
        group.create_task(made.serve(store.changes))
        group.create_task(hearer(store).serve())
