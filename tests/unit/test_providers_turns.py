"""Turns of a name within a process: providers/sandbox/turns."""

import asyncio

from workbenchx.providers.sandbox import turns


async def test_whoever_comes_later_waits_for_who_waits_already() -> None:
    """Also when the first one has just ended: never are two inside, and other names are not held up."""
    made, inside, most = turns.Turns(), [0], [0]

    async def take(name: str, rounds: int) -> None:
        for _ in range(rounds):
            async with made.of(name):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                await asyncio.sleep(0)
                inside[0] -= 1

    await asyncio.gather(*(take("a", rounds) for rounds in (1, 2, 3, 4)))
    assert most == [1]
    async with made.of("a"):
        await take("b", 1)
    assert most == [1]


async def test_a_name_that_nobody_takes_is_forgotten() -> None:
    """Sandboxes come and go for as long as the process lives."""
    made = turns.Turns()
    for number in range(100):
        async with made.of(f"n-{number}"):
            pass
    assert len(made._locks) <= 1
