"""What a whole run costs beyond its process: queue, lease, intent, sandbox, events, end; database included.

Ours: runs of `true`, queued before the clock starts, drained by one worker of the product with two at a time. The peer:
the very bubblewrap command lines that the sandboxes used, two at a time, by plain subprocess. The cost of a run is the
difference of the two, for each run.
"""

import asyncio
import contextlib
import pathlib
import subprocess
import tempfile
import time
import uuid
from concurrent import futures

import harness

from workbenchx import ports
from workbenchx.engine import ids, worker
from workbenchx.planner import model
from workbenchx.providers.sandbox.local import isolation
from workbenchx.store import embedded
from workbenchx.wiring import app, settings

GOAL_MS = 25.0
SLOTS = 2
IMAGE = "docker.io/library/python@sha256:" + "1" * 64
DOCUMENT = {
    "shape": "execution",
    "runtime": {"name": "py", "image": IMAGE},
    "adapter": "vercel_sandbox",
    "stand_in": "local",
    "command": ["true"],
}


def measure(small: bool) -> list[harness.Row]:
    """Both sides, in turn."""
    count, rounds = (4, 1) if small else (100, 5)
    with tempfile.TemporaryDirectory(prefix="wbx-bench-") as folder:
        home = pathlib.Path(folder)
        home.chmod(0o755)
        try:
            ours = asyncio.run(_ours(home, count, rounds))
        finally:
            asyncio.run(embedded.stop(home / ".wbx"))
    bare = [_bare(count) for _ in range(rounds)]
    if small:
        return []
    cost = harness.median(ours) - harness.median(bare)
    return [
        harness.Row("a run beyond its process, database included", cost, GOAL_MS, "ms", 1),
        harness.Row(
            "- that run, whole, against its process alone",
            harness.median(ours),
            harness.median(bare),
            "ms",
        ),
    ]


async def _ours(home: pathlib.Path, count: int, rounds: int) -> list[float]:
    """Milliseconds for each run, once a round; the first round warms up."""
    chosen = settings.load(folder=home, environ={"WBX_HOME": str(home / ".wbx")})
    async with app.open(chosen) as opened:
        await _round(opened, SLOTS)
        return [await _round(opened, count) for _ in range(rounds)]


async def _round(opened: app.App, count: int) -> float:
    orders = [_order(number) for number in range(count)]
    if not await opened.store.enqueue(orders):
        raise SystemExit("the runs were not queued")
    working = worker.Worker(opened.surroundings(), name=f"bench-{uuid.uuid4()}", slots=SLOTS)
    before = time.perf_counter()
    task = asyncio.create_task(working.serve())
    while (await opened.reads.counts_open())["executing"]:
        await asyncio.sleep(0.02)
    took = time.perf_counter() - before
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    states = [(await opened.reads.run(order.run_id))["state"] for order in orders]
    if set(states) != {"succeeded"}:
        raise SystemExit(f"runs ended otherwise: {sorted(set(states))}")
    return took * 1000 / count


def _order(number: int) -> ports.RunOrder:
    return ports.RunOrder(
        run_id=ids.run_id(),
        key=model.Key("RunnerJob", "bench", f"noop-{number}"),
        resource_uid=str(uuid.uuid4()),
        project=None,
        operation="execute",
        provider="bench",
        document=DOCUMENT,
        timeout=60.0,
    )


def _bare(count: int) -> float:
    """Milliseconds for each process alone, as many at a time as the worker had."""
    walls = isolation.detect()
    command = [walls.bubblewrap, *_WALLS, "true"] if walls.bubblewrap else ["true"]
    before = time.perf_counter()
    with futures.ThreadPoolExecutor(SLOTS) as pool:
        list(pool.map(lambda _: subprocess.run(command, check=True), range(count)))
    return (time.perf_counter() - before) * 1000 / count


_WALLS = [
    "--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/usr", "/usr",
    "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
    "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp",  # noqa: S108 - inside the sandbox
]  # fmt: skip

if __name__ == "__main__":
    harness.main(measure)
