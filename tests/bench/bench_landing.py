"""A Source in a cluster: commit → applied, commit → all Ready, and passes that find nothing or one change made behind its back.

Beside it, in the same cluster, the operator at work as it is for us: bare server-side apply of the same documents under other
names (through the same HTTP client, 32 in flight), and Flux's kustomize-controller 1.9.6, which gets them as an artifact that is
ready (flux.py). Each begins when all that came before is Ready (decision 203). Where Flux is not built (`--small`), its
times are those of an earlier machine (reference/anchors.md).

Commit → all Ready is of objects that change among many that stand. Its twin writes the same to the same objects when the
operator has ended: each document and then its status, bare, 32 in flight; nobody can be faster. Beside that stands what bench_converge
measures, for as many objects: created while no operator runs, from the start of its process to the last Ready, in a
cluster that is otherwise empty.

`WBX_BENCH_OBJECTS=5000` chooses one number of new objects instead of 1,000 and 5,000; 0 leaves them out.
`WBX_BENCH_STANDING=10000` is how many stand when a tenth of them changes; 0 leaves that out.
`WBX_BENCH_FLUX=alone` lets Flux begin when the operator has ended: it has the machine to itself, ours has not.
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import pathlib
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import cluster_site
import flux
import harness
import peers

from workbenchx.engine import following, landing, secrets
from workbenchx.forge import clones
from workbenchx.operator import client, permissions
from workbenchx.operator import landing as accounts
from workbenchx.planner import model
from workbenchx.providers.storage import local as local_storage
from workbenchx.store import postgres
from workbenchx.wiring import following as reading

sys.path.append(str(harness.ROOT / "tests" / "support"))

import git_lab  # a benchmark is a program of its own: it has no path but its folder
import operator_lab  # the same

SPACE = "default"
FILE = 100
_MANY = 5000
_ALONE = os.environ.get("WBX_BENCH_FLUX") == "alone"


@dataclasses.dataclass(frozen=True)
class Peer:
    """Seconds that Flux takes: for all new objects, and for a pass over them without a change."""

    new: float
    idle: float


REFERENCE = {1000: Peer(8.9, 5.2), 5000: Peer(69.7, 56.7)}


@dataclasses.dataclass(frozen=True)
class Scene:
    """So many new objects, and then so many of them changed. `compared`: bare apply and Flux get as many."""

    count: int
    changed: int
    compared: bool
    flux: pathlib.Path | None


@dataclasses.dataclass(frozen=True)
class Found:
    """Seconds that were measured in a scene.

    `twin`: until as many as are changed are Ready from nothing; `writes`: of what makes them Ready, by a bare client.
    """

    applied: float
    idle: float
    mended: float
    ready: float
    twin: float
    writes: float
    bare: float
    peer: Peer


@dataclasses.dataclass(frozen=True)
class Followed:
    """A Source, its repository, and the worker that looks at it when it is told to."""

    site: cluster_site.Site
    process: operator_lab.Process
    repository: git_lab.Repository
    store: postgres.Postgres
    worker: following.Follower

    def commit(self, count: int, *, changed: int = 0) -> None:
        """So many Datasets, some of them otherwise than before."""
        files = documents("d", count, changed)
        self.repository.commit({f"ssot/{name}": text for name, text in files.items()})

    async def look(self) -> float:
        """One look of the worker, and its seconds."""
        await self.store.ask(f"{SPACE}/team")
        begun = time.perf_counter()
        assert await self.worker.look() == 1
        return time.perf_counter() - begun

    async def found(self, what: str) -> object:
        """What the last look told of it."""
        (state,) = await self.store.source_states()
        return state.found.get(what)


def measure(small: bool) -> list[harness.Row]:
    """New objects, and changes among many that stand: a cluster for each."""
    program = peers.find("kustomize-controller", small=small)
    if small:
        return _rows(Scene(40, 8, True, program))
    chosen = os.environ.get("WBX_BENCH_OBJECTS")
    sizes = [int(chosen)] if chosen else [1000, 5000]
    standing = int(os.environ.get("WBX_BENCH_STANDING", "10000"))
    scenes = [Scene(count, 0, True, program) for count in sizes if count]
    scenes += [Scene(standing, standing // 10, False, None)] if standing else []
    return [row for scene in scenes for row in _rows(scene)]


def _rows(scene: Scene) -> list[harness.Row]:
    found = cluster_site.on("landing", lambda site: _played(site, scene))
    rows = _compared(scene, found) if scene.compared else []
    if scene.changed:
        what = f"{scene.changed:,} changed of {scene.count:,}: commit to all Ready, against"
        rows.append(
            harness.Row(f"{what} bare writes of the same", found.ready, found.writes, "s", 1.5)
        )
        rows.append(harness.Row(f"{what} as many from nothing", found.ready, found.twin, "s"))
    return rows


def _compared(scene: Scene, found: Found) -> list[harness.Row]:
    beside = ("Flux alone" if _ALONE else "Flux") if scene.flux else "Flux (reference)"
    new, passes = f"{scene.count:,} new resources: commit to applied", f"{scene.count:,} "
    peer, rest = found.peer.new, found.peer.idle
    # A look costs a question to git and two to the database, however few objects there are: a hundredth is for many.
    goal = 0.01 if scene.count >= _MANY else None
    return [
        harness.Row(f"{new}, against bare apply", found.applied, found.bare, "s"),
        harness.Row(f"{new}, against {beside}", found.applied, peer, "s", 0.333),
        harness.Row(f"{passes}without a change, against {beside}", found.idle, rest, "s", goal),
        harness.Row(
            f"{passes}and one changed behind its back, against {beside}",
            found.mended,
            rest,
            "s",
            goal,
        ),
    ]


async def _played(site: cluster_site.Site, scene: Scene) -> Found:
    _project(site)
    since = await cluster_site.version(site, "Dataset")
    await cluster_site.each(scene.changed, lambda number: cluster_site.create(site, _twin(number)))
    ready, bare, peer = 0.0, 0.0, REFERENCE.get(scene.count, Peer(1.0, 1.0))
    begun = time.perf_counter()
    with cluster_site.operator(site) as process:
        await asyncio.to_thread(process.until_ready)
        twin = await _all_ready(site, process, "c", scene.changed, since) - begun
        async with _following(site, process) as followed:
            applied, idle, mended = await _looks(followed, scene.count)
            if scene.changed:
                ready = await _change(followed, scene.count, scene.changed)
        if scene.compared:
            await _settled(site, "d", scene.count)
            bare = await _bare(site, scene.count)
            await _settled(site, "bare-", scene.count)
        if scene.flux and not _ALONE:
            peer = await asyncio.to_thread(_flux, site, scene.flux, scene.count)
    if scene.flux and _ALONE:
        peer = await asyncio.to_thread(_flux, site, scene.flux, scene.count)
    writes = await _writes(site, scene.changed)
    return Found(applied, idle, mended, ready, twin, writes, bare, peer)


def _project(site: cluster_site.Site) -> None:
    document = operator_lab.manifest("Project", "lab", {"namespaces": [SPACE]})
    site.lab.cluster.admin.apply(document, manager="bench")


async def _all_ready(
    site: cluster_site.Site, process: operator_lab.Process, prefix: str, count: int, since: str
) -> float:
    """The moment when the last of so many was seen to be Ready."""
    names = {f"{prefix}{number:05}" for number in range(count)}
    if not names:
        return time.perf_counter()
    return await cluster_site.ready(site, "Dataset", names, since, process)


async def _looks(followed: Followed, count: int) -> tuple[float, float, float]:
    """A commit of new objects, no change, and one that was made behind its back."""
    followed.commit(count)
    applied = await followed.look()
    assert await followed.found("changed") == count
    await _mirrored(followed.site.lab, count)
    idle = await followed.look()
    await _meddled(followed.site.lab, "d00001")
    mended = await followed.look()
    assert await followed.found("mended") == ["Dataset/d00001"]
    return applied, idle, mended


def _twin(number: int) -> dict[str, Any]:
    spec = {"project": "lab", "uri": f"https://example.com/c{number:05}.csv", "format": "csv"}
    return operator_lab.manifest("Dataset", f"c{number:05}", spec, SPACE)


async def _change(followed: Followed, count: int, changed: int) -> float:
    """Seconds from a commit that changes some to the last Ready of them; before it all are Ready, and nothing is under way."""
    await _settled(followed.site, "d", count)
    followed.commit(count, changed=changed)
    since = await cluster_site.version(followed.site, "Dataset")
    looking = asyncio.create_task(_all_ready(followed.site, followed.process, "d", changed, since))
    begun = time.perf_counter()
    await followed.look()
    assert await followed.found("changed") == changed
    return await looking - begun


def documents(prefix: str, count: int, changed: int = 0) -> dict[str, str]:
    """Files of Datasets, a hundred in each; the first so many are in another format."""
    return {
        f"{prefix}{first // FILE:03}.yaml": "".join(
            _document(f"{prefix}{number:05}", number < changed)
            for number in range(first, min(first + FILE, count))
        )
        for first in range(0, count, FILE)
    }


def _document(name: str, changed: bool) -> str:
    text = git_lab.dataset(name, namespace=SPACE)
    return text.replace("format: csv", "format: parquet") if changed else text


@contextlib.asynccontextmanager
async def _following(
    site: cluster_site.Site, process: operator_lab.Process
) -> AsyncIterator[Followed]:
    """A declared Source of an empty repository, known to the operator, and a worker for it."""
    repository = git_lab.Repository(site.home / "served")
    (repository.tree / "ssot").mkdir()
    rules, admin = permissions.source_rules(), site.lab.cluster.admin
    await asyncio.to_thread(site.lab.cluster.service_account, SPACE, "wbx-source", rules)
    store = postgres.Postgres(site.lab.url)
    with git_lab.served(site.home / "served") as served:
        given = {"url": served.url(), "path": "ssot", "project": "lab"}
        admin.apply(operator_lab.manifest("Source", "team", given, SPACE))
        ask = "select 1 from ops.sources where facts ->> 'follow' = 'true'"
        await asyncio.to_thread(operator_lab.until, lambda: site.lab.rows(ask), lambda: "a Source")
        async with accounts.speaking(site.access) as api:
            try:
                worker = _follower(store, api, site.home)
                yield Followed(site, process, repository, store, worker)
            finally:
                await store.close()


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


async def _mirrored(lab: operator_lab.Lab, count: int) -> None:
    ask = "select count(*) from ops.declared d join ops.source_objects o using (kind, namespace, name) where d.hash = o.hash"
    await asyncio.to_thread(
        operator_lab.until, lambda: lab.rows(ask) == [(count,)], lambda: str(lab.rows(ask))
    )


async def _meddled(lab: operator_lab.Lab, name: str) -> None:
    """Somebody changes an object, and the operator has seen it."""
    lab.cluster.admin.merge("Dataset", name, {"spec": {"format": "parquet"}}, SPACE)
    seen = "select 1 from ops.declared where name = %s and spec ->> 'format' = 'parquet'"
    await asyncio.to_thread(operator_lab.until, lambda: lab.rows(seen, name), lambda: "the change")


async def _settled(site: cluster_site.Site, prefix: str, count: int) -> None:
    """All of a name are Ready."""
    keys = [("Dataset", SPACE, f"{prefix}{number:05}") for number in range(count)]
    await asyncio.to_thread(site.lab.until_ready, keys, timeout=600)


async def _writes(site: cluster_site.Site, count: int) -> float:
    """Another document and the status that it then has, as the managers that own them, by a client that does nothing else."""
    names = [f"d{number:05}" for number in range(count)]
    found = [await site.api.get(client.path("Dataset", SPACE, name)) for name in names]
    source = f"wbx-source.{accounts.mark(f'{SPACE}/team')}"

    async def one(number: int) -> None:
        item = found[number]
        await _patched(site, source, _changed(item, {"spec": item["spec"] | {"format": "json"}}))
        told = item["status"] | {"observedGeneration": item["metadata"]["generation"] + 1}
        await _patched(site, client.MANAGER, _changed(item, {"status": told}), "status")

    return await cluster_site.each(count, one)


def _changed(item: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    kept = {name: item["metadata"][name] for name in ("name", "namespace", "labels")}
    return {"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": kept} | part


async def _patched(
    site: cluster_site.Site, manager: str, document: dict[str, Any], sub: str = ""
) -> None:
    """One server-side apply, as cheap as ours."""
    answer = await site.api.send(
        "PATCH",
        client.path(document["kind"], SPACE, document["metadata"]["name"], sub),
        data=json.dumps(document).encode(),
        headers={"Content-Type": "application/apply-patch+yaml"},
        params={"fieldManager": manager, "force": "true", "fieldValidation": "Ignore"},
    )
    assert answer.done, answer.message


async def _bare(site: cluster_site.Site, count: int) -> float:
    """The same documents under other names, by a client that does nothing else."""

    async def one(number: int) -> None:
        name = f"bare-{number:05}"
        spec = {"project": "lab", "uri": f"https://example.com/{name}.csv", "format": "csv"}
        await _patched(site, "bare", operator_lab.manifest("Dataset", name, spec, SPACE))

    return await cluster_site.each(count, one)


def _flux(site: cluster_site.Site, program: pathlib.Path, count: int) -> Peer:
    tree = site.home / "artifact"
    tree.mkdir()
    for name, text in documents("f", count).items():
        (tree / name).write_text(text)
    with flux.running(site, program, tree) as controller:
        new = controller.brought("main@sha1:" + "1" * 40)
        idle = controller.brought("main@sha1:" + "2" * 40)
    there = {item["metadata"]["name"] for item in site.lab.cluster.admin.list("Dataset", SPACE)}
    assert {f"f{number:05}" for number in range(count)} <= there
    return Peer(new, idle)


if __name__ == "__main__":
    harness.main(measure)
