"""What the benchmarks of a cluster share: a control plane, a database and a client of each; and what a watch shows."""

import asyncio
import contextlib
import dataclasses
import json
import os
import pathlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeVar

import aiohttp
import harness
from bench_queue import database

from workbenchx.operator import client, kubeconfig
from workbenchx.store import embedded, migrate

sys.path.append(str(harness.ROOT / "tests" / "support"))

import cluster_server  # a benchmark is a program of its own: it has no path but its folder
import operator_lab  # the same

AT_ONCE = 32
_Told = TypeVar("_Told")


@dataclasses.dataclass(frozen=True)
class Site:
    """The surroundings of one run. `api` speaks as the administrator."""

    lab: operator_lab.Lab
    access: kubeconfig.Access
    api: client.Client
    home: pathlib.Path


def on(name: str, work: Callable[[Site], Awaitable[_Told]]) -> _Told:
    """Build a site, work on it, and leave nothing of it."""
    with tempfile.TemporaryDirectory(prefix="wbx-bench-") as folder:
        home = pathlib.Path(folder)
        home.chmod(0o755)
        cluster = cluster_server.Cluster()
        try:
            cluster.start()
            cluster_server.apply_definitions(cluster)
            return asyncio.run(_on(cluster, home, name, work))
        finally:
            cluster.close()
            asyncio.run(embedded.stop(home))


async def _on(
    cluster: cluster_server.Cluster,
    home: pathlib.Path,
    name: str,
    work: Callable[[Site], Awaitable[_Told]],
) -> _Told:
    server = await embedded.ensure_running(home)
    async with database(server, name):
        await migrate.apply(server.url_for("wbx_migrate", name), environment="bench")
        url = server.url_for("wbx_engine", name)
        lab = await asyncio.to_thread(operator_lab.Lab, cluster, "default", url, home)
        access = kubeconfig.load({}, cluster.kubeconfig(cluster.admin.token))
        api = client.Client(access)
        try:
            return await work(Site(lab, access, api, home))
        finally:
            await api.close()


@contextlib.contextmanager
def operator(site: Site) -> Iterator[operator_lab.Process]:
    """An operator that ends as it should."""
    with site.lab.operator() as process:
        yield process
        assert process.end() == 143, process.log


async def each(count: int, work: Callable[[int], Awaitable[None]]) -> float:
    """Call `work(number)` for each number, 32 at the same time; the seconds that it took."""
    numbers = iter(range(count))

    async def some() -> None:
        for number in numbers:
            await work(number)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(some())
    return time.perf_counter() - begun


async def create(site: Site, document: dict[str, Any]) -> None:
    """A new object, by POST."""
    metadata = document["metadata"]
    where = client.path(document["kind"], metadata.get("namespace", ""))
    headers, data = {"Content-Type": "application/json"}, json.dumps(document).encode()
    answer = await site.api.send("POST", where, data=data, headers=headers)
    assert answer.done, answer.message


async def version(site: Site, kind: str) -> str:
    """The version of all objects of a kind now."""
    found = await site.api.get(client.path(kind), {"limit": "1"})
    return str(found["metadata"]["resourceVersion"])


async def ready(
    site: Site, kind: str, names: set[str], since: str, process: operator_lab.Process
) -> float:
    """The moment when the last of these was seen to be Ready for its newest generation, as a watch tells."""
    left = set(names)
    async for at, item in watch(site, kind, since):
        if operator_lab.ready_of(item):
            left.discard(item["metadata"]["name"])
        if not left:
            return at
        assert process.popen.poll() is None, process.log
    raise AssertionError("the watch ended")


async def watch(site: Site, kind: str, since: str) -> AsyncIterator[tuple[float, dict[str, Any]]]:
    """Each state of each object, and when it was seen. A busy server ends watches now and then: they go on where they were."""
    while True:
        async for at, item in _watch_once(site, kind, since):
            since = item["metadata"]["resourceVersion"]
            yield at, item


async def _watch_once(
    site: Site, kind: str, since: str
) -> AsyncIterator[tuple[float, dict[str, Any]]]:
    params = {"watch": "true", "resourceVersion": since, "timeoutSeconds": "3000"}
    headers = {"Authorization": f"Bearer {site.access.token}"}
    url = site.access.server + client.path(kind)
    patience = aiohttp.ClientTimeout(total=None)
    async with site.api.session.get(
        url, params=params, headers=headers, timeout=patience
    ) as answer:
        assert answer.ok, await answer.text()
        rest = b""
        async for data in answer.content.iter_any():
            at = time.perf_counter()
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                yield at, json.loads(line)["object"]


def cpu(process: operator_lab.Process) -> float:
    """Seconds of processor that a process took."""
    stat = pathlib.Path(f"/proc/{process.popen.pid}/stat").read_text("ascii")
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
