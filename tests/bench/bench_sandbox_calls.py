"""What the adapter `vercel_sandbox` adds to the calls of Vercel's own client, on the emulator, which executes.

Each verb of ours beside the same requests made with the bare client, in turns, in one process. The overhead is the difference
of the medians; the goal of the issue is 5 ms a call. What both take is the emulator's: a short Python process inside.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import harness

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))

import vercel_sandbox  # a benchmark is a program of its own: it has no path but its folder
from vercel import sandbox as sdk

from workbenchx.providers.sandbox.inside import places
from workbenchx.providers.sandbox.vercel_sandbox import kit, names

GOAL_MS = 5.0
NAME = "wbx-bench-1"
Call = Callable[[], Awaitable[object]]


def measure(small: bool) -> list[harness.Row]:
    """Both sides of each verb."""
    with harness.workspace() as folder:
        taken = asyncio.run(_turns(folder, 3 if small else 100))
    return [] if small else [row for verb, found in taken.items() for row in _rows(verb, found)]


def _rows(verb: str, taken: Mapping[str, list[float]]) -> list[harness.Row]:
    ours, bare = (statistics.median(taken[side]) * 1000 for side in ("ours", "bare"))
    return [
        harness.Row(f"{verb} at Vercel's emulator", ours, bare, "ms"),
        harness.Row("- what the adapter adds, against the bound", ours - bare, GOAL_MS, "ms", 1),
    ]


async def _turns(folder: Path, count: int) -> dict[str, dict[str, list[float]]]:
    """Seconds of each call, by verb and side."""
    with vercel_sandbox.bench(folder) as bench:
        await bench.begin(bench.spec(NAME, "sh", "-c", "echo out; exec sleep 600"))
        await bench.says(b"out\n", NAME)
        client = bench.sandbox._vendor._client()
        sides = {"ours": _ours(bench), "bare": _bare(client)}
        taken: dict[str, dict[str, list[float]]] = {
            verb: {side: [] for side in sides} for verb in sides["ours"]
        }
        for _ in range(count):
            for verb, times in taken.items():
                for side, calls in sides.items():
                    begun = time.perf_counter()
                    await calls[verb]()
                    times[side].append(time.perf_counter() - begun)
        await bench.sandbox.delete(NAME)
        await bench.sandbox.aclose()
    return taken


def _ours(bench: vercel_sandbox.Bench) -> dict[str, Call]:
    async def status() -> None:
        found = await bench.sandbox.status(NAME)
        assert found is not None
        assert found.state == "running"

    async def read_log() -> None:
        assert await bench.sandbox.read_log(NAME, 0) == b"out\n"

    return {"status": status, "read_log": read_log}


def _bare(client: sdk.SandboxClient) -> dict[str, Call]:
    box = {places.BOX_VARIABLE: "."}

    async def session() -> sdk.SandboxRuntimeSession:
        found = (await client.get_sandbox(name=NAME)).current_session
        assert found is not None
        return found

    async def run(verb: str, *words: str) -> None:
        command, arguments = kit.command(verb, *words)
        done = await (await session()).run_process(
            command, arguments, cwd=names.BOX, env=box, capture_output=True
        )
        assert done.returncode == 0

    return {"status": lambda: run("peek"), "read_log": lambda: run("log", "0", "65536")}


if __name__ == "__main__":
    harness.main(measure)
