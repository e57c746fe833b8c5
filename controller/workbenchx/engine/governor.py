"""How a worker calls a provider: no faster than it allows, and not at all while it does not answer.

One `Governor` a process; what it knows it shares with every other process through `ports.Gates`, in few statements: a
look at all gates a second at most, a share of a minute's calls at a time, and one for each hold or outage. Failures in
a row are counted by each process for itself: of many that call, some always answer late about what is over.
"""

import asyncio
import contextlib
import dataclasses
import functools
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any, cast

from workbenchx import errors, ports

LOG = logging.getLogger(__name__)
PROBE_SECONDS = 150.0
LOOK_SECONDS = 1.0
_SHARES = 20
_PATIENCE = 2.0
_CALLS = frozenset(
    {"observe", "create", "start", "status", "stop", "delete", "extend", "execute", "exec"}
)
_OUTAGES = frozenset({"ProviderUnavailable"})
_NOBODYS = frozenset({"DatabaseUnavailable", "StorageUnavailable"})
_NOBODY = frozenset({"local"})
_LONGEST_HOLD = 3600.0
_BREAKER = ports.Breaker()


class Governor:
    """The gates as this process knows them."""

    def __init__(self, gates: ports.Gates, breaker: ports.Breaker = _BREAKER) -> None:
        self._gates = gates
        self._breaker = breaker
        self._known: Mapping[str, ports.Gate] = {}
        self._looked = -LOOK_SECONDS
        self._looking = asyncio.Lock()
        self._streaks: dict[str, int] = {}
        self._shares: dict[str, tuple[int, float]] = {}

    @contextlib.asynccontextmanager
    async def call(self, provider: str) -> AsyncIterator[None]:
        """One call of the provider; how it ends is told to all.

        Raises:
            errors.Waiting: RateLimited or ProviderUnavailable: it is not to be called now, nothing was done.
        """
        probing = await self._admitted(provider)
        await self._counted(provider)
        try:
            yield
        except errors.Waiting as problem:
            await self._told(provider, problem, probing=probing)
            raise
        except errors.WorkbenchError:
            await self._answered(provider, probing=probing)
            raise
        await self._answered(provider, probing=probing)

    async def _admitted(self, provider: str) -> bool:
        """Wait for a short hold; whether this call is the one that tries a provider which was left alone."""
        gate = await self._gate(provider)
        if gate and 0 < gate.held <= _PATIENCE:
            await asyncio.sleep(gate.held * random.uniform(1.0, 1.2))  # noqa: S311 - jitter, not a secret
            gate = await self._gate(provider)
        if gate and gate.held > 0:
            raise errors.Waiting(
                f"{provider}: all calls wait, as it asked: {gate.message}",
                reason="RateLimited",
                retry_after=gate.held * random.uniform(1.0, 1.2),  # noqa: S311 - as above
            )
        if gate is None or not gate.open:
            return False
        if gate.retry <= 0 and await self._gates.probe(provider, seconds=PROBE_SECONDS):
            return True
        raise errors.Waiting(
            f"{provider}: it is left alone for a while: {gate.message}",
            reason="ProviderUnavailable",
            retry_after=max(gate.retry, LOOK_SECONDS),
        )

    async def _gate(self, provider: str) -> ports.Gate | None:
        """The gate, with its seconds as of now."""
        async with self._looking:
            if time.monotonic() - self._looked > LOOK_SECONDS:
                self._known, self._looked = await self._gates.gates(), time.monotonic()
        found = self._known.get(provider)
        return _aged(found, time.monotonic() - self._looked) if found else None

    async def _counted(self, provider: str) -> None:
        """Take one of the minute's calls out of this process's share; a new share when it is used up or over."""
        gate = self._known.get(provider)
        most = gate.per_minute if gate else None
        while most:
            left, until = self._shares.get(provider, (0, 0.0))
            if left > 0 and time.monotonic() < until:
                self._shares[provider] = (left - 1, until)
                return
            wanted = max(1, most // _SHARES)
            given, seconds = await self._gates.reserve(provider, wanted=wanted, most=most)
            if not given:
                raise errors.Waiting(
                    f"{provider}: spec.limits.requestsPerMinute of its provider object is reached: {most}",
                    reason="RateLimited",
                    retry_after=seconds + random.uniform(0.0, 1.0),  # noqa: S311 - jitter, not a secret
                )
            self._shares[provider] = (given, time.monotonic() + seconds)

    async def _told(self, provider: str, problem: errors.Waiting, *, probing: bool) -> None:
        """What the provider's refusal means for all. The database being away as well must not hide it."""
        if problem.reason not in _OUTAGES | _NOBODYS:
            await self._answered(provider, probing=probing)
        with contextlib.suppress(errors.WorkbenchError):
            if problem.reason == "RateLimited":
                seconds = min(problem.retry_after, _LONGEST_HOLD)
                await self._gates.hold(provider, seconds=seconds, message=problem.message)
                self._looked = -LOOK_SECONDS
            elif problem.reason in _OUTAGES:
                self._streaks[provider] = self._streaks.get(provider, 0) + 1
                if probing or self._streaks[provider] >= self._breaker.threshold:
                    self._streaks[provider] = 0
                    await self._gates.leave_alone(provider, problem.message, self._breaker)
                    self._looked = -LOOK_SECONDS

    async def _answered(self, provider: str, *, probing: bool) -> None:
        self._streaks[provider] = 0
        if probing:
            with contextlib.suppress(errors.WorkbenchError):
                await self._gates.answers(provider)
                self._looked = -LOOK_SECONDS


def _aged(gate: ports.Gate, seconds: float) -> ports.Gate:
    held, retry = max(gate.held - seconds, 0.0), max(gate.retry - seconds, 0.0)
    return dataclasses.replace(gate, held=held, retry=retry)


class _Governed:
    """A sandbox provider whose calls are governed. Streams and waits are let through: they are no calls that count."""

    def __init__(self, provider: ports.SandboxProvider, governor: Governor) -> None:
        self._provider = provider
        self._governor = governor

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._provider, name)
        return functools.partial(self._call, found) if name in _CALLS else found

    async def _call(self, verb: Callable[..., Awaitable[Any]], *args: Any, **named: Any) -> Any:
        async with self._governor.call(self._provider.adapter):
            return await verb(*args, **named)


class _All(Mapping[str, ports.SandboxProvider]):
    def __init__(self, sandboxes: Mapping[str, ports.SandboxProvider], governor: Governor) -> None:
        self._sandboxes = sandboxes
        self._governor = governor

    def __getitem__(self, adapter: str) -> ports.SandboxProvider:
        found = self._sandboxes[adapter]
        if adapter in _NOBODY:
            return found
        return cast("ports.SandboxProvider", _Governed(found, self._governor))

    def __contains__(self, adapter: object) -> bool:
        return adapter in self._sandboxes

    def __iter__(self) -> Iterator[str]:
        return iter(self._sandboxes)

    def __len__(self) -> int:
        return len(self._sandboxes)


def governed(
    sandboxes: Mapping[str, ports.SandboxProvider], governor: Governor
) -> Mapping[str, ports.SandboxProvider]:
    """The same providers, by adapter, called through the governor; `local`, which asks nobody, as it is.

    Verbs that are added to the port come through as they are.
    """
    return _All(sandboxes, governor)
