"""How much one caller may ask for: tokens that fill up with time, for a bounded number of callers."""

import collections
import dataclasses
import time
from collections.abc import Callable

from workbenchx.console import problems

_MOST_KEYS = 10_000


@dataclasses.dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, and so many a second after that; a rate of 0 limits nothing."""

    burst: float
    per_second: float


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """What a request may take."""

    seconds: float = 30.0
    body: int = 256 * 1024
    plan_body: int = 32 * 1024 * 1024
    question_body: int = 8 * 1024 * 1024
    webhook_body: int = 8 * 1024 * 1024
    answer_seconds: float = 900.0
    answers: int = 2048
    answers_each: int = 512
    streams: int = 512
    streams_each: int = 32
    caller: Rate = Rate(400, 100)
    stranger: Rate = Rate(30, 0.5)


class Buckets:
    """One bucket of tokens for each key; the key that was quiet longest is forgotten first (its bucket was full)."""

    def __init__(self, rate: Rate, what: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._what = what
        self._now = now
        self._left: collections.OrderedDict[str, tuple[float, float]] = collections.OrderedDict()

    def take(self, key: str) -> None:
        """Take one token.

        Raises:
            problems.Problem: 429, with the seconds until there is one again.
        """
        if not self._rate.per_second:
            return
        now = self._now()
        left, at = self._left.pop(key, (self._rate.burst, now))
        left = min(self._rate.burst, left + (now - at) * self._rate.per_second)
        spent = left < 1
        self._left[key] = (left if spent else left - 1, now)
        if len(self._left) > _MOST_KEYS:
            self._left.popitem(last=False)
        if spent:
            wait = (1 - left) / self._rate.per_second
            raise problems.Problem(
                429,
                f"{self._what}: more requests than are served in this time; slow down",
                headers={"Retry-After": str(int(wait) + 1)},
            )
