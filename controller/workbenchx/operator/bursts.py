"""Whether many documents come at the moment: somebody applies a commit, and what is told of its objects can wait for that."""

import asyncio
import time
from collections.abc import Callable

MANY = 30.0
A_SECOND = 30.0
QUIET_SECONDS = 0.25


class Bursts:
    """A bucket that documents fill and time empties.

    More than `MANY` that came faster than `A_SECOND` are a burst. It is over when none came for `QUIET_SECONDS`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._level = 0.0
        self._at = clock()

    def came(self, count: int) -> None:
        """So many documents are new."""
        self._empty()
        self._level = min(MANY + QUIET_SECONDS * A_SECOND, self._level + count)

    @property
    def left(self) -> float:
        """Seconds until it is over, if no more come; 0: there is none."""
        self._empty()
        return max(0.0, (self._level - MANY) / A_SECOND)

    async def over(self, most: float) -> None:
        """Return once there is none, or after so many seconds."""
        until, left = self._clock() + most, self.left
        while left and self._clock() < until:
            await asyncio.sleep(left)
            left = self.left

    def _empty(self) -> None:
        now = self._clock()
        self._level = max(0.0, self._level - (now - self._at) * A_SECOND)
        self._at = now
