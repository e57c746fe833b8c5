"""Many runs at once while helpers are killed at random: no run is executed twice, none is believed wrongly, nothing stays."""

import asyncio
import os
import pathlib
import random
import signal
from collections.abc import Iterator

import providers_sandbox as support
import pytest

from workbenchx import errors, ports

RUNS = 40
SEED = 20261123


@pytest.fixture(params=support.WAYS)
def bench(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[support.Bench]:
    """The local adapter, both ways."""
    with support.local_way(request.param, tmp_path) as made:
        yield made


async def one(bench: support.Bench, name: str) -> ports.SandboxStatus:
    """One run by a caller that tries again when it is told to."""
    spec = bench.spec(name, "sh", "-c", "echo once; sleep 0.2; exit 7")
    await bench.sandbox.create(spec)
    while True:
        try:
            await bench.sandbox.start(name, {})
            return await bench.sandbox.wait(name)
        except (errors.Waiting, errors.Conflict):
            continue


async def killer(bench: support.Bench, dice: random.Random) -> int:
    """Kill -9 helpers of ours (never programs) until cancelled; how many."""
    killed = 0
    try:
        while True:
            await asyncio.sleep(0.02)
            ours = [
                pid
                for pid in support.processes(bench.root)
                if support.comm(pid).startswith(("wbx-", "bwrap"))
            ]
            if ours:
                try:
                    os.kill(dice.choice(ours), signal.SIGKILL)
                except ProcessLookupError:
                    continue
                killed += 1
    except asyncio.CancelledError:
        return killed


async def test_many_runs_and_a_killer(bench: support.Bench) -> None:
    """Each run ends as the program ended, or is Lost; its command ran at most once; then everything is gone."""
    names = [f"wbx-{number}" for number in range(RUNS)]
    killing = asyncio.create_task(killer(bench, random.Random(SEED)))
    async with asyncio.timeout(120):
        ended = await asyncio.gather(*(one(bench, name) for name in names))
    killing.cancel()
    assert await killing > 0
    for status in ended:
        assert (status.reason, status.exit_code) in {
            ("Exited", 7),
            ("Lost", None),
            ("Signalled", 137),
        }
        log = await bench.log(status.name)
        assert log.count(b"once") <= 1
        assert log == b"once\n" or status.exit_code != 7
    seen = await bench.sandbox.observe()
    assert {each.name: each.reason for each in seen.objects} == {
        each.name: each.reason for each in ended
    }
    await asyncio.gather(*(bench.sandbox.delete(name) for name in names))
    await support.nothing_left(bench)


async def test_many_runs_at_once(bench: support.Bench) -> None:
    """Without a killer every run ends as its program did."""
    names = [f"wbx-{number}" for number in range(RUNS)]
    ended = await asyncio.gather(*(one(bench, name) for name in names))
    assert {(each.reason, each.exit_code) for each in ended} == {("Exited", 7)}
    logs = [await bench.log(name) for name in names]
    assert set(logs) == {b"once\n"}
    await asyncio.gather(*(bench.sandbox.delete(name) for name in names))
    await support.nothing_left(bench)
