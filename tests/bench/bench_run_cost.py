"""What a run costs beyond the process itself: create, start, wait, against the same command under the same walls.

The peer is a plain subprocess of the very bubblewrap command line that the sandbox uses (plain: of the command
itself). The two sides take turns, so that both see the same machine. The goal of the whole run, database included, is
25 ms; this is the provider's part of it.
"""

import asyncio
import os
import pathlib
import statistics
import subprocess
import time
from collections.abc import Mapping
from typing import Any

import harness

from workbenchx import ports
from workbenchx.providers.sandbox.local import adapter, isolation, orders
from workbenchx.providers.sandbox.supervision import layout
from workbenchx.providers.storage import local

GOAL_MS = 25.0


def measure(small: bool) -> list[harness.Row]:
    """Both ways of the local adapter, where the machine has both."""
    rounds = 3 if small else 60
    ways = [False, None] if isolation.detect().bubblewrap else [False]
    rows: list[harness.Row] = []
    for isolate in ways:
        with harness.workspace() as folder:
            rows += asyncio.run(_measure(folder, isolate, rounds))
    return [] if small else rows


async def _measure(folder: pathlib.Path, isolate: bool | None, rounds: int) -> list[harness.Row]:
    storage = local.LocalStorage(folder / "storage")
    sandbox = adapter.LocalSandbox(folder / "sandboxes", storage, "bench", isolate=isolate)
    ours, bare = [], []
    for number in range(rounds + 1):
        spec = _spec(f"run-{number}")
        ours.append(await _run(sandbox, spec))
        bare.append(_bare(folder / "sandboxes" / spec.name, isolate=isolate))
        await sandbox.delete(spec.name)
    sandbox.close()
    # The first one starts the helper process.
    cost = statistics.median(ours[1:]) - statistics.median(bare[1:])
    way = "plain" if isolate is False else "isolated"
    return [
        harness.Row(
            f"a {way} run beyond its process, without the database", cost, GOAL_MS, "ms", 1
        ),
        harness.Row(
            "- that run, whole, against its process alone",
            statistics.median(ours[1:]),
            statistics.median(bare[1:]),
            "ms",
        ),
    ]


def _spec(name: str) -> ports.SandboxSpec:
    return ports.SandboxSpec(
        name=name, tags={}, shape="execution", image="bench", command=("true",), cpu=64
    )


async def _run(sandbox: adapter.LocalSandbox, spec: ports.SandboxSpec) -> float:
    before = time.perf_counter()
    await sandbox.create(spec)
    await sandbox.start(spec.name, {})
    ended = await sandbox.wait(spec.name)
    took = time.perf_counter() - before
    if ended.exit_code != 0:
        raise SystemExit(f"the run failed: {ended}")
    return took * 1000


def _bare(path: pathlib.Path, *, isolate: bool | None) -> float:
    folder = layout.Folder(path)
    record = layout.read(folder.spec)
    if record is None:
        raise SystemExit("the sandbox is gone")
    walls = isolation.Isolation("") if isolate is False else isolation.detect()
    order = orders.build(folder, record, {}, walls, orders.Limits())
    command, inherited = _command(order)
    before = time.perf_counter()
    subprocess.run(command, pass_fds=inherited, env={}, check=True, capture_output=True)
    took = time.perf_counter() - before
    for descriptor in inherited:
        os.close(descriptor)
    return took * 1000


def _command(order: Mapping[str, Any]) -> tuple[list[str], list[int]]:
    if not order["isolated"]:
        return ["/bin/true"], []
    options = _memory(os.fsencode(order["options"]))
    seccomp = _memory(bytes.fromhex(order["seccomp"]))
    command = [order["bubblewrap"], "--args", str(options), "--seccomp", str(seccomp), "--", "true"]
    return command, [options, seccomp]


def _memory(content: bytes) -> int:
    descriptor = os.memfd_create("bench")
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


if __name__ == "__main__":
    harness.main(measure)
