"""A Source in a cluster: commit → applied, and a pass without a change but one made behind its back; beside bare server-side apply.

The operator runs. The twin applies the same documents under other names, through the same HTTP client, 32 in flight. Flux's
kustomize-controller 1.9.6 needed 8.9 s for 1,000 and 69.7 s for 5,000 new objects, and 56.7 s for a pass over 5,000 without
changes (reference/anchors.md): its times stand beside ours as that reference, since it is not built here.

`WBX_BENCH_OBJECTS=5000` chooses another number of objects.
"""

import asyncio
import json
import os
import pathlib
import sys
import tempfile
import time

import harness
from bench_queue import database

from workbenchx.engine import following, landing, secrets
from workbenchx.forge import clones
from workbenchx.operator import client, kubeconfig, permissions
from workbenchx.operator import landing as accounts
from workbenchx.planner import model
from workbenchx.providers.storage import local as local_storage
from workbenchx.store import embedded, migrate, postgres
from workbenchx.wiring import following as reading

sys.path.append(str(harness.ROOT / "tests" / "support"))

import cluster_server  # a benchmark is a program of its own: it has no path but its folder
import git_lab  # the same
import operator_lab  # the same

AT_ONCE = 32
SPACE = "default"
FLUX = {1000: 8.9, 5000: 69.7}
FLUX_IDLE_EACH = 56.7 / 5000


def measure(small: bool) -> list[harness.Row]:
    """One number of Datasets from a commit into the cluster."""
    count = 40 if small else int(os.environ.get("WBX_BENCH_OBJECTS", "1000"))
    with tempfile.TemporaryDirectory(prefix="wbx-bench-") as name:
        home = pathlib.Path(name)
        home.chmod(0o755)
        cluster = cluster_server.Cluster()
        try:
            cluster.start()
            cluster_server.apply_definitions(cluster)
            applied, bare, idle, mended = asyncio.run(_whole(cluster, home, count))
        finally:
            cluster.close()
            asyncio.run(embedded.stop(home))
    what = f"{count:,} new resources"
    flux = FLUX.get(count, FLUX[5000] * count / 5000)
    rest = FLUX_IDLE_EACH * count
    return [
        harness.Row(f"{what}: commit to applied, against bare apply", applied, bare, "s"),
        harness.Row(
            f"{what}: commit to applied, against Flux (reference)", applied, flux, "s", 0.333
        ),
        harness.Row(f"{count:,} without a change, against Flux (reference)", idle, rest, "s", 0.01),
        harness.Row(
            f"{count:,} and one changed behind its back, against Flux (reference)",
            mended,
            rest,
            "s",
            0.01,
        ),
    ]


async def _whole(
    cluster: cluster_server.Cluster, home: pathlib.Path, count: int
) -> tuple[float, float, float, float]:
    server = await embedded.ensure_running(home)
    async with database(server, "landing"):
        await migrate.apply(server.url_for("wbx_migrate", "landing"), environment="bench")
        url = server.url_for("wbx_engine", "landing")
        lab = await asyncio.to_thread(operator_lab.Lab, cluster, SPACE, url, home)
        store = postgres.Postgres(url)
        try:
            with lab.operator() as process:
                await asyncio.to_thread(process.until_ready)
                return await _measured(lab, store, home, count)
        finally:
            await store.close()


async def _measured(
    lab: operator_lab.Lab, store: postgres.Postgres, home: pathlib.Path, count: int
) -> tuple[float, float, float, float]:
    repository = git_lab.Repository(home / "served")
    documents = {
        f"ssot/d{n // 100:03}.yaml": "".join(
            git_lab.dataset(f"d{m:05}", namespace=SPACE) for m in range(n, min(n + 100, count))
        )
        for n in range(0, count, 100)
    }
    (repository.tree / "ssot").mkdir()
    repository.commit(documents)
    admin = lab.cluster.admin
    rule = permissions.source_rules()
    await asyncio.to_thread(lab.cluster.service_account, SPACE, "wbx-source", rule)
    admin.apply(operator_lab.manifest("Project", "lab", {"namespaces": [SPACE]}))
    with git_lab.served(home / "served") as served:
        return await _followed(lab, store, home, served.url(), count)


async def _followed(
    lab: operator_lab.Lab, store: postgres.Postgres, home: pathlib.Path, url: str, count: int
) -> tuple[float, float, float, float]:
    admin = lab.cluster.admin
    given = {"url": url, "path": "ssot", "project": "lab"}
    admin.apply(operator_lab.manifest("Source", "team", given, SPACE))
    ask = "select 1 from ops.sources where facts ->> 'follow' = 'true'"
    await asyncio.to_thread(operator_lab.until, lambda: lab.rows(ask), lambda: "a Source")
    access = kubeconfig.load({}, lab.cluster.kubeconfig(admin.token))
    async with accounts.speaking(access) as api:
        worker = _follower(store, api, home)
        applied = await _looked(store, worker)
        (state,) = await store.source_states()
        assert state.found["changed"] == count, state
        await _mirrored(lab, count)
        idle = await _looked(store, worker)
        admin.merge("Dataset", "d00001", {"spec": {"format": "parquet"}}, SPACE)
        seen = "select 1 from ops.declared where name = 'd00001' and spec ->> 'format' = 'parquet'"
        await asyncio.to_thread(operator_lab.until, lambda: lab.rows(seen), lambda: "the change")
        mended = await _looked(store, worker)
        (state,) = await store.source_states()
        assert state.found["mended"] == ["Dataset/d00001"], state
    return applied, await _bare(access, count), idle, mended


def _follower(
    store: postgres.Postgres, api: accounts.Accounts, home: pathlib.Path
) -> following.Follower:
    copies = clones.Clones(home / "copies")
    storage = local_storage.LocalStorage(home / "kept")
    return following.Follower(
        store,
        copies,
        reading.Reader(copies, storage, store.specs_of_others),
        places=secrets.Places(lambda _: None),
        name="w1",
        bringing=landing.Landing(store, api, model.Policy(), "w1"),
    )


async def _looked(store: postgres.Postgres, worker: following.Follower) -> float:
    await store.ask(f"{SPACE}/team")
    begun = time.perf_counter()
    assert await worker.look() == 1
    return time.perf_counter() - begun


async def _mirrored(lab: operator_lab.Lab, count: int) -> None:
    ask = "select count(*) from ops.declared d join ops.source_objects o using (kind, namespace, name) where d.hash = o.hash"
    await asyncio.to_thread(
        operator_lab.until, lambda: lab.rows(ask) == [(count,)], lambda: str(lab.rows(ask))
    )


async def _bare(access: kubeconfig.Access, count: int) -> float:
    """The same documents under other names, by a client that does nothing else."""
    api = client.Client(access)
    numbers = iter(range(count))

    async def some() -> None:
        for number in numbers:
            name = f"bare-{number:05}"
            spec = {"project": "lab", "uri": f"https://example.com/{name}.csv", "format": "csv"}
            body = json.dumps(operator_lab.manifest("Dataset", name, spec, SPACE)).encode()
            answer = await api.send(
                "PATCH",
                client.path("Dataset", SPACE, name),
                data=body,
                headers={"Content-Type": "application/apply-patch+yaml"},
                params={"fieldManager": "bare"},
            )
            assert answer.done, answer.message

    try:
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(some())
        return time.perf_counter() - begun
    finally:
        await api.close()


if __name__ == "__main__":
    harness.main(measure)
