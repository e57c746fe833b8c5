"""Projects in a real API server, made Ready by `wbx operator`; beside it, bare status patches by a client that does nothing else.

Our rate is objects over the time from the start of the operator's process to the last object's Ready=True. The twin patches
the same objects with bodies of the same size, through the same HTTP client, 32 in flight, median of five. Then, with all of
them Ready: a restart (which must write nothing), updates at a steady rate, the processor at rest, memory an object.

`WBX_BENCH_OBJECTS=5000` chooses another number of objects.
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import statistics
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import cluster_site
import harness

from workbenchx.api import identity
from workbenchx.operator import client, statuses

sys.path.append(str(harness.ROOT / "tests" / "support"))

import operator_lab  # a benchmark is a program of its own: it has no path but its folder

RATE = 20.0


@dataclasses.dataclass(frozen=True)
class Bench:
    """The surroundings of one run."""

    site: cluster_site.Site
    count: int


@dataclasses.dataclass(frozen=True)
class Found:
    """What was measured."""

    rate: float
    bare: float
    cpu: float
    bytes_each: float
    restart: float
    latencies: list[float]
    idle: float


def measure(small: bool) -> list[harness.Row]:
    """One number of objects from nothing to Ready, and what follows."""
    count = 60 if small else int(os.environ.get("WBX_BENCH_OBJECTS", "1000"))
    found = cluster_site.on("converge", lambda site: _measured(Bench(site, count), small=small))
    return _rows(count, found)


def _rows(count: int, found: Found) -> list[harness.Row]:
    p50, p99 = (statistics.quantiles(found.latencies, n=100)[place] * 1000 for place in (49, 98))
    what = f"{count:,} Projects"
    return [
        harness.Row(f"{what} Ready, against bare patches", found.rate, found.bare, "/s", 0.6, True),
        harness.Row(f"{what}: CPU to Ready, against 1 s", found.cpu, 1.0, "s"),
        harness.Row(
            f"{what}: memory an object, against 10 KB", found.bytes_each / 1000, 10.0, "KB", 1.0
        ),
        harness.Row(
            f"{what}: restart to nothing to do, against 15 s", found.restart, 15.0, "s", 1.0
        ),
        harness.Row(f"{what}: update to Ready p50, against 30 ms", p50, 30.0, "ms", 1.0),
        harness.Row(f"{what}: update to Ready p99, against 100 ms", p99, 100.0, "ms", 1.0),
        harness.Row(f"{what}: idle, against 2 % of a core", found.idle * 100, 2.0, "%", 1.0),
    ]


async def _measured(bench: Bench, *, small: bool) -> Found:
    empty = await _empty(bench)
    await _create(bench)
    with cluster_site.operator(bench.site) as process:
        seconds = await _converged(bench, process)
        cpu, memory = cluster_site.cpu(process), _memory(process)
        await _counted(bench, process)
    async with _started(bench) as (process, restart):
        assert await _metric(process, "wbx_operator_statuses_total") == 0
        idle = await _idle(process, 1.0 if small else 20.0)
        latencies = await _updates(bench, 2.0 if small else 60.0)
        await _wrote(process, len(latencies))
    bare = [await _bare(bench, number) for number in range(1 if small else 5)]
    return Found(
        rate=bench.count / seconds,
        bare=statistics.median(bare),
        cpu=cpu,
        bytes_each=(memory - empty) / bench.count,
        restart=restart,
        latencies=latencies,
        idle=idle,
    )


def _name(number: int) -> str:
    return f"p-{number:05d}"


def _project(number: int) -> dict[str, Any]:
    spec = {
        "repo": {"url": f"https://git.example.org/team/{_name(number)}.git", "branch": "main"},
        "members": [{"user": "ada@example.org", "role": "admin"}],
        "quota": {"sessions": 4, "runs": 20},
        "budget": {"monthlyUSD": 100},
    }
    return operator_lab.manifest("Project", _name(number), spec)


async def _create(bench: Bench) -> None:
    async def one(number: int) -> None:
        await cluster_site.create(bench.site, _project(number))

    await cluster_site.each(bench.count, one)


@contextlib.asynccontextmanager
async def _started(bench: Bench) -> AsyncIterator[tuple[operator_lab.Process, float]]:
    """An operator, and the seconds until its caches were full, every kind was watched and a pass found nothing to do."""
    begun = time.perf_counter()
    with cluster_site.operator(bench.site) as process:
        while (await asyncio.to_thread(process.probe, "/readyz"))[0] != 200:
            await asyncio.sleep(0.05)
        while await _metric(process, "wbx_operator_passes_total") < 1:
            await asyncio.sleep(0.05)
        while await _metric(process, "wbx_operator_kinds_unwatched") > 0:
            await asyncio.sleep(0.05)
        yield process, time.perf_counter() - begun


async def _empty(bench: Bench) -> int:
    """Memory of an operator that has nothing to do."""
    async with _started(bench) as (process, _):
        return _memory(process)


async def _metric(process: operator_lab.Process, name: str) -> float:
    return await asyncio.to_thread(process.metric, name)


async def _converged(bench: Bench, process: operator_lab.Process) -> float:
    begun = time.perf_counter()
    since = await cluster_site.version(bench.site, "Project")
    names = {_name(number) for number in range(bench.count)}
    return await cluster_site.ready(bench.site, "Project", names, since, process) - begun


async def _counted(bench: Bench, process: operator_lab.Process) -> None:
    """Each object is one row that is declared, one of history, one event and one status write."""
    await _wrote(process, bench.count)
    query = """select (select count(*) from ops.declared), (select count(*) from ops.projects where ready),
      (select count(*) from ops.resource_history), (select count(*) from ops.run_events where type = 'ResourceCreated')"""
    assert bench.site.lab.rows(query) == [(bench.count,) * 4]


async def _wrote(process: operator_lab.Process, count: int) -> None:
    """Exactly so many statuses were written; the answer to the last may still be on its way."""
    await asyncio.to_thread(process.until_metric, "wbx_operator_statuses_total", count)


async def _updates(bench: Bench, seconds: float) -> list[float]:
    """Seconds from an update to its Ready, both as the watch tells; updates come at a steady rate, whatever the answers."""
    seen: dict[tuple[str, int], float] = {}
    took: list[float] = []
    count = int(seconds * RATE)
    version = await cluster_site.version(bench.site, "Project")

    async def look() -> None:
        async for at, item in cluster_site.watch(bench.site, "Project", version):
            key = item["metadata"]["name"], item["metadata"]["generation"]
            first = seen.setdefault(key, at)
            ready = operator_lab.ready_of(item)
            if ready and ready["status"] == "True" and first >= 0:
                took.append(at - first)
                seen[key] = -1.0
            if len(took) == count:
                return

    looking = asyncio.create_task(look())
    await asyncio.sleep(0.2)
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for turn in range(count):
            await asyncio.sleep(max(0.0, begun + turn / RATE - time.perf_counter()))
            group.create_task(_update(bench, turn))
    await asyncio.wait_for(looking, 120)
    return took


async def _update(bench: Bench, turn: int) -> None:
    name, value = _name(turn * 37 % bench.count), 101 + turn
    data = json.dumps({"spec": {"budget": {"monthlyUSD": value}}}).encode()
    headers = {"Content-Type": "application/merge-patch+json"}
    answer = await bench.site.api.send(
        "PATCH", client.path("Project", "", name), data=data, headers=headers
    )
    assert answer.done, answer.message


async def _bare(bench: Bench, turn: int) -> float:
    """Status patches a second, and nothing else; each changes what the object says."""
    page = [page async for page in bench.site.api.pages("Project")]
    items = {item["metadata"]["name"]: item for one in page for item in one.items}

    async def one(number: int) -> None:
        item = items[_name(number)]
        status = item["status"] | {"why": f"Ready.{turn}"}
        key = identity.Key("Project", "", _name(number))
        body = statuses.document(key, item["metadata"]["uid"], json.dumps(status).encode())
        answer = await bench.site.api.apply_status(*key, body)
        assert answer.done, answer.message

    begun = time.perf_counter()
    await cluster_site.each(bench.count, one)
    return bench.count / (time.perf_counter() - begun)


async def _idle(process: operator_lab.Process, seconds: float) -> float:
    """The share of a core that it takes when nothing happens."""
    await asyncio.sleep(seconds / 10)
    before, at = cluster_site.cpu(process), time.perf_counter()
    await asyncio.sleep(seconds)
    return (cluster_site.cpu(process) - before) / (time.perf_counter() - at)


def _memory(process: operator_lab.Process) -> int:
    text = pathlib.Path(f"/proc/{process.popen.pid}/smaps_rollup").read_text("ascii")
    found = re.search(r"^Pss:\s+(\d+) kB$", text, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


if __name__ == "__main__":
    harness.main(measure)
