"""What all workers obey together when they call a provider."""

import dataclasses
from collections.abc import Mapping
from typing import Protocol


@dataclasses.dataclass(frozen=True, slots=True)
class Gate:
    """How a provider (an adapter's name) is to be called now; a provider without a gate is called freely.

    `held`: seconds for which it asked everybody to slow down. `open`: it is left alone, and in `retry` seconds one process
    may try it. `message`: what it said last. `per_minute`: most calls a minute, by `spec.limits` of its object; None: no limit.
    """

    provider: str
    held: float
    open: bool
    retry: float
    message: str
    per_minute: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Breaker:
    """How much failing is an outage: the `threshold`th failure in a row that one process sees.

    It is left alone for `pause` seconds, after each failed probe for twice as long, up to `longest`.
    """

    threshold: int = 5
    pause: float = 15.0
    longest: float = 300.0


class Gates(Protocol):
    """One row per provider, shared by every process.

    Laws: a wish to slow down only ever grows; a provider that is left alone is called by nobody but the one process whose
    `probe` said True; its answer alone closes the gate. The clock is the database's. The queue keeps to the gates too: of
    a provider that is held or left alone no run is claimed, so that the time of runs does not begin.
    """

    async def gates(self) -> Mapping[str, Gate]:
        """Every gate by provider; one that was never needed and has no limit is absent."""

    async def reserve(self, provider: str, *, wanted: int, most: int) -> tuple[int, float]:
        """Take up to `wanted` of the `most` calls of this minute: how many, and the seconds until the next minute."""

    async def hold(self, provider: str, *, seconds: float, message: str) -> None:
        """Nobody calls the provider for so long: it said so (429, Retry-After, a header that says nothing is left)."""

    async def leave_alone(self, provider: str, message: str, breaker: Breaker) -> None:
        """It does not answer: nobody calls it for a while, for longer each time that a probe failed."""

    async def answers(self, provider: str) -> None:
        """It answered this process's probe: it is called again."""

    async def probe(self, provider: str, *, seconds: float) -> bool:
        """Whether this process may try an open gate that is due, for so long; False: it is not due, or another tries."""
