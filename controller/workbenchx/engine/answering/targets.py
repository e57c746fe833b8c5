"""Who answers for an alias: a revision by its weight, its provider, then the provider's fallbacks."""

import dataclasses
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from workbenchx import errors, ports
from workbenchx.engine.answering import tariffs

_MOST_FALLBACKS = 3
_LONGEST_REST = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class Offer:
    """A provider object that can be asked. `free`: who stands in for it costs nothing."""

    option: ports.Option
    provider: ports.InferenceProvider
    free: bool = False


class Offers(Protocol):
    """What is recorded now, looked up often enough."""

    async def offer(self, name: str) -> Offer:
        """The provider of that name; Stalled where it cannot be had."""

    async def aliases(self) -> Sequence[ports.Alias]:
        """Every ModelDeployment."""


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """One place to ask. `model`: the provider's id; `params`: of the revision."""

    offer: Offer
    model: str
    params: Mapping[str, Any]
    tariff: tariffs.Tariff

    @property
    def name(self) -> str:
        """The provider object."""
        return self.offer.option.name

    def body(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What is sent: the revision's parameters, what the caller says, and the provider's id of the model."""
        return {**self.params, **asked, "model": self.model}


class Rests:
    """Providers that just failed are asked last for a while: for as long as they said, a minute at most."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def failed(self, name: str, problem: errors.WorkbenchError) -> None:
        """It could not answer."""
        pause = problem.retry_after if isinstance(problem, errors.Waiting) else _LONGEST_REST
        self._until[name] = time.monotonic() + min(pause, _LONGEST_REST)

    def answered(self, name: str) -> None:
        """It could."""
        self._until.pop(name, None)

    def ordered(self, targets: Sequence[Target]) -> list[Target]:
        """Those that rest come last; else the order stays."""
        now = time.monotonic()
        return sorted(targets, key=lambda each: self._until.get(each.name, 0.0) > now)


def weighed(alias: ports.Alias) -> Mapping[str, Any]:
    """One revision, by chance and weight, of those that pass their probe; if none does, the newest older one that did.

    Raises:
        errors.Stalled: reason ModelMissing: nothing is served under it.
        errors.Waiting: reason ProviderUnavailable: no revision passes its probe.
    """
    if not any(each.get("weight") for each in alias.serving):
        told = f": {alias.message}" if alias.message else ""
        raise errors.Stalled(
            f'model "{alias.alias}": nothing is served under it now{told}', reason="ModelMissing"
        )
    passing = [each for each in alias.serving if alias.passes(each)]
    weights = [int(each.get("weight") or 0) for each in passing]
    if any(weights):
        return random.choices(passing, weights)[0]  # noqa: S311 - shares of traffic, no secret
    if passing:
        return passing[0]
    raise errors.Waiting(
        f'model "{alias.alias}": no revision has answered its probe (spec.probe) well',
        reason="ProviderUnavailable",
        retry_after=5,
    )


async def of(alias: ports.Alias, offers: Offers) -> list[Target]:
    """The targets of one request, the first one first. A fallback that cannot be had, or has no price, is left out.

    Raises:
        errors.Stalled: the first one cannot be had, or has no price.
    """
    revision = weighed(alias)
    found: list[Target] = []
    name: str | None = str(revision.get("provider"))
    while name and len(found) <= _MOST_FALLBACKS and all(each.name != name for each in found):
        try:
            target = _target(await offers.offer(name), revision)
        except errors.Stalled:
            if not found:
                raise
            break
        found.append(target)
        name = target.offer.option.settings.get("fallback")
    return found


def _target(offer: Offer, revision: Mapping[str, Any]) -> Target:
    params = dict(revision.get("params") or {})
    wanted = str(params.pop("model", None) or revision.get("model"))
    ids = offer.option.settings.get("models") or {}
    own = str(ids.get(wanted) or ids.get(revision.get("model")) or wanted)
    names = frozenset({own, wanted, str(revision.get("model"))})
    tariff = tariffs.Tariff() if offer.free else tariffs.of(offer.option.prices, names)
    if tariff is None:
        raise errors.Stalled(
            f'InferenceProvider "{offer.option.name}": spec.prices has no price for the model "{own}"',
            reason="PriceMissing",
        )
    return Target(offer, own, params, tariff)
