"""Bursts of documents, with a clock that the test moves."""

import asyncio

from workbenchx.operator import bursts


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


def test_a_few_documents_are_no_burst_however_long_they_come() -> None:
    """Twenty a second, as people and schedules change them, hold nothing back."""
    clock = Clock()
    burst = bursts.Bursts(clock)
    for _ in range(1000):
        burst.came(1)
        clock.now += 0.05
        assert burst.left == 0


def test_many_at_once_are_a_burst_that_is_over_soon_after_the_last() -> None:
    """However many they were."""
    clock = Clock()
    burst = bursts.Bursts(clock)
    for _ in range(5000):
        burst.came(1)
        clock.now += 0.001
    assert 0 < burst.left <= bursts.QUIET_SECONDS
    clock.now += burst.left + 0.001
    assert burst.left == 0
    burst.came(2)
    assert burst.left > 0


def test_what_waits_for_the_end_of_a_burst_does_not_wait_for_ever() -> None:
    """A burst without an end is waited for as long as was said."""
    clock = Clock()
    burst = bursts.Bursts(clock)

    async def come() -> None:
        while True:
            clock.now += 0.05
            burst.came(1000)
            await asyncio.sleep(0)

    async def waited() -> None:
        coming = asyncio.create_task(come())
        await asyncio.sleep(0)
        await burst.over(2.0)
        coming.cancel()

    asyncio.run(waited())
    assert burst.left > 0
    assert clock.now >= 102.0
