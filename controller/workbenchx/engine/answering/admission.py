"""Whether a provider of models may be asked now: `spec.limits` of its object, and what it asked for itself (429, Retry-After).

All gateways keep both together (decision 130): a minute's calls and a wish to slow down are in `ops.provider_gates`, under
`InferenceProvider/NAME`, since a vendor limits an account; places of `limits.concurrency` are in `ops.reservations`, so that
those of a killed gateway are free again with its reservations. An outage is left to fallbacks: each gateway rests by itself.
"""

import contextlib
import sys
from collections.abc import AsyncIterator

from workbenchx import errors, ports
from workbenchx.engine import governor
from workbenchx.engine.answering import targets

_AGAIN = 1.0
_NO_BREAKER = ports.Breaker(threshold=sys.maxsize)


class Admission:
    """One process's."""

    def __init__(self, gates: ports.Gates, places: ports.Places) -> None:
        self._governor = governor.Governor(gates, _NO_BREAKER)
        self._places = places

    @contextlib.asynccontextmanager
    async def call(self, target: targets.Target, run_id: str) -> AsyncIterator[None]:
        """One call, until the first piece of its answer. Who stands in is asked freely.

        Raises:
            errors.Waiting: RateLimited: it is not to be asked now, nothing was sent.
        """
        if target.offer.free:
            yield
            return
        gate = f"InferenceProvider/{target.name}"
        await self._placed(target, gate, run_id)
        async with self._governor.call(gate):
            yield

    async def _placed(self, target: targets.Target, gate: str, run_id: str) -> None:
        most = (target.offer.option.limits or {}).get("concurrency")
        if most and not await self._places.place(run_id, gate, most=int(most)):
            raise errors.Waiting(
                f"{gate}: spec.limits.concurrency of its provider object is reached: {most}",
                reason="RateLimited",
                retry_after=_AGAIN,
            )
