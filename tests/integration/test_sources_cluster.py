"""Sources in a cluster: a real worker's follower applies to a real API server as the Source's account, beside a real operator."""

import contextlib
import json
import pathlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import cluster_server
import git_lab
import operator_lab
import pytest
from cluster_fixtures import cluster, namespace
from operator_fixtures import lab
from store_fixtures import database, server, store

from workbenchx import ports
from workbenchx.engine import following, landing, secrets
from workbenchx.forge import clones
from workbenchx.operator import kubeconfig, permissions
from workbenchx.operator import landing as accounts
from workbenchx.planner import model
from workbenchx.providers.storage import local as local_storage
from workbenchx.store import postgres
from workbenchx.wiring import following as reading

__all__ = ["cluster", "database", "lab", "namespace", "server", "store"]

WAITS = {"SourceUnavailable", "ClusterUnavailable"}
APPLY_RULE = {
    "apiGroups": ["workbenchx.dev"],
    "resources": ["datasets"],
    "verbs": ["get", "list", "create", "patch", "delete"],
}


class Scene:
    """A repository that is served over HTTP, a Source of it, and a worker's follower that speaks to the API server."""

    def __init__(
        self, lab: operator_lab.Lab, store: postgres.Postgres, folder: pathlib.Path, url: str
    ) -> None:
        self.lab, self.store, self.folder, self.url = lab, store, folder, url
        self.space = lab.namespace
        self.repository = git_lab.Repository(folder / "served")
        self.admin = lab.cluster.admin
        self.source = f"{self.space}/team"
        lab.cluster.service_account(self.space, "wbx-source", [APPLY_RULE]).close()
        spec = {"namespaces": [self.space]}
        self.admin.apply(operator_lab.manifest("Project", "lab", spec))
        given = {"url": url, "path": "ssot", "project": "lab"}
        self.admin.apply(operator_lab.manifest("Source", "team", given, self.space))

    def dataset(self, name: str, *, version: str = "1", attached: str = "") -> str:
        """A document of this namespace. `attached`: further lines of its metadata."""
        text = git_lab.dataset(name, namespace=self.space).replace("spec:\n", f"{attached}spec:\n")
        return text + f'  version: "{version}"\n'

    def commit(self, files: Mapping[str, str | None], message: str = "more") -> str:
        """Push files below `ssot/`."""
        return self.repository.commit({f"ssot/{k}": v for k, v in files.items()}, message)

    @contextlib.asynccontextmanager
    async def follower(self) -> AsyncIterator[following.Follower]:
        """A worker's follower, which may ask for tokens of `wbx-source` and nothing else."""
        worker = self.lab.cluster.service_account(
            self.space, "wbx-worker", permissions.token_rules()
        )
        config = self.lab.cluster.kubeconfig(worker.token, name=f"{self.space}-worker")
        worker.close()
        copies = clones.Clones(self.folder / "copies")
        storage = local_storage.LocalStorage(self.folder / "storage")
        read = reading.Reader(copies, storage, self.store.specs_of_others)
        places = secrets.Places(lambda _: None)
        async with accounts.speaking(kubeconfig.load({}, config)) as api:
            yield following.Follower(
                self.store,
                copies,
                read,
                places=places,
                name="w1",
                bringing=landing.Landing(self.store, api, model.Policy(), "w1"),
            )

    def until_followed(self) -> None:
        """Wait until the operator has recorded the Source, so that a worker may follow it."""
        ask = "select 1 from ops.sources where name = 'team' and facts ->> 'follow' = 'true'"
        operator_lab.until(lambda: self.lab.rows(ask), lambda: "a Source to follow")

    async def look(self, worker: following.Follower) -> dict[str, Any]:
        """Look now, and see what the Source says of itself; a busy machine's servers do not always answer in time."""
        for _ in range(20):
            await self.store.ask(self.source)
            assert await worker.look() == 1
            (state,) = await self.store.source_states()
            if state.reason not in WAITS:
                break
        return {"reason": state.reason, "message": state.message, **state.found}

    def live(self, name: str) -> dict[str, Any] | None:
        """A Dataset as the API server has it."""
        return self.admin.get("Dataset", name, self.space)

    def version(self, name: str) -> str:
        """Its `spec.version`."""
        found = self.live(name)
        assert found is not None, name
        return str(found["spec"]["version"])

    def until_mirrored(self, name: str, version: str | None) -> None:
        """Wait until the operator has mirrored a Dataset with this version; None: that it is gone."""
        ask = "select spec ->> 'version' from ops.declared where kind = 'Dataset' and name = %s"
        wanted = [] if version is None else [(version,)]
        operator_lab.until(lambda: self.lab.rows(ask, name) == wanted, lambda: f"{name} {version}")

    def until_labelled(self, name: str, team: str | None) -> None:
        """Wait until the operator has mirrored this value of a Dataset's label `team`."""
        ask = "select metadata #>> '{labels,team}' from ops.declared where kind = 'Dataset' and name = %s"
        operator_lab.until(lambda: self.lab.rows(ask, name) == [(team,)], lambda: f"{name} {team}")

    def told(self) -> str:
        """What the Source's own condition says."""
        found = operator_lab.ready_of(self.admin.get("Source", "team", self.space)) or {}
        return f"{found.get('reason')}: {found.get('message')}"

    def until_told(self, text: str) -> None:
        """Wait until the Source's condition says so."""
        operator_lab.until(lambda: text in self.told(), lambda: f"{text}: {self.told()}")


@pytest.fixture
def scene(
    lab: operator_lab.Lab, store: postgres.Postgres, tmp_path: pathlib.Path
) -> Iterator[Scene]:
    """The scene, whose repository is served while the test runs."""
    with git_lab.served(tmp_path / "served") as served:
        yield Scene(lab, store, tmp_path, served.url())


async def test_a_commit_is_applied_mended_and_pruned(scene: Scene) -> None:
    """Objects are applied as wbx-source and know their line; what somebody changes in the cluster is told and applied again; what a commit drops is deleted."""
    commit = scene.commit({"a.yaml": scene.dataset("a"), "b.yaml": scene.dataset("b")})
    with scene.lab.operator():
        scene.until_followed()
        async with scene.follower() as worker:
            assert (await scene.look(worker))["changed"] == 2
            scene.lab.until_ready([("Dataset", scene.space, name) for name in "ab"])
            found = scene.live("a") or {}
            place = {"repo": scene.url, "commit": commit, "path": "ssot/a.yaml", "line": 2}
            operator_lab.until(
                lambda: ((scene.live("a") or {})["status"].get("source")) == place,
                lambda: json.dumps((scene.live("a") or {})["status"]),
            )
            assert found["metadata"]["labels"] == {accounts.LABEL: f"{scene.space}.team"}
            scene.until_mirrored("a", "1")
            assert "mended" not in await scene.look(worker)

            patch = {"spec": {"version": "9"}, "metadata": {"labels": {"by": "hand"}}}
            scene.admin.merge("Dataset", "a", patch, scene.space)
            scene.admin.merge("Dataset", "b", {"spec": {"classification": "public"}}, scene.space)
            scene.until_mirrored("a", "9")
            operator_lab.until(
                lambda: scene.lab.rows(
                    "select 1 from ops.declared where name = 'b' and spec ? 'classification'"
                ),
                lambda: "b with a field of somebody else",
            )
            said = await scene.look(worker)
            assert said["mended"] == ["Dataset/a"]
            assert scene.version("a") == "1"
            assert (scene.live("a") or {})["metadata"]["labels"]["by"] == "hand"
            assert (scene.live("b") or {})["spec"]["classification"] == "public"
            scene.until_told("applied again, for somebody had changed it")

            scene.commit({"b.yaml": None, "a.yaml": scene.dataset("a", version="2")})
            assert (await scene.look(worker))["removed"] == 1
            assert (scene.live("b"), scene.version("a")) == (None, "2")


async def test_labels_and_annotations_are_applied_mended_and_taken_away(scene: Scene) -> None:
    """They reach the object; a change of them alone is applied, one that somebody made is mended, one that leaves the file goes, and what others set stays."""
    first = "  labels: {team: x, tier: gold}\n  annotations: {note: hello}\n"
    scene.commit({"a.yaml": scene.dataset("a", attached=first), "b.yaml": scene.dataset("b")})
    mark = {accounts.LABEL: f"{scene.space}.team"}

    def attached() -> tuple[dict[str, str], dict[str, str]]:
        metadata = (scene.live("a") or {})["metadata"]
        return metadata["labels"], metadata.get("annotations", {})

    with scene.lab.operator():
        scene.until_followed()
        async with scene.follower() as worker:
            assert (await scene.look(worker))["changed"] == 2
            assert attached() == (mark | {"team": "x", "tier": "gold"}, {"note": "hello"})
            scene.until_labelled("a", "x")
            scene.until_labelled("b", None)
            assert "mended" not in await scene.look(worker)

            by_hand = {"labels": {"team": "y", "by": "hand"}, "annotations": {"seen": "yes"}}
            scene.admin.merge("Dataset", "a", {"metadata": by_hand}, scene.space)
            scene.until_labelled("a", "y")
            assert (await scene.look(worker))["mended"] == ["Dataset/a"]
            labels = mark | {"team": "x", "tier": "gold", "by": "hand"}
            assert attached() == (labels, {"note": "hello", "seen": "yes"})
            scene.until_labelled("a", "x")

            commit = scene.commit({"a.yaml": scene.dataset("a", attached="  labels: {team: z}\n")})
            assert (await scene.look(worker))["changed"] == 1
            assert attached() == (mark | {"team": "z", "by": "hand"}, {"seen": "yes"})
            placed = "select commit from ops.source_objects where name = 'a'"
            assert scene.lab.rows(placed) == [(commit,)]


async def test_what_the_account_may_not_do_is_refused_alone(scene: Scene) -> None:
    """A kind that wbx-source has no right to, another's object and another's namespace are each told; the rest is applied, and nothing of it is lost."""
    theirs = {"project": "lab", "uri": "https://example.com/c.csv", "format": "csv", "version": "7"}
    scene.admin.apply(operator_lab.manifest("Dataset", "c", theirs, scene.space))
    app = (
        "apiVersion: workbenchx.dev/v1alpha1\nkind: App\n"
        f"metadata: {{name: page, namespace: {scene.space}}}\n"
        "spec: {project: lab, command: [python, app.py], port: 8000}\n"
    )
    files = {
        "a.yaml": scene.dataset("a"),
        "c.yaml": scene.dataset("c"),
        "app.yaml": app,
        "else.yaml": git_lab.dataset("d", namespace="elsewhere"),
        "bad.yaml": "kind: [",
    }
    scene.commit(files)
    with scene.lab.operator():
        scene.until_followed()
        async with scene.follower() as worker:
            said = await scene.look(worker)
            refused = "\n".join(said["refused"])
            assert 'App/page: 403: apps.workbenchx.dev "page" is forbidden' in refused
            assert "Dataset/c: 409" in refused
            assert "ssot/bad.yaml" in refused
            assert len(said["skipped"]) == 1
            assert "ssot/else.yaml" in said["skipped"][0]
            assert (scene.version("a"), scene.version("c")) == ("1", "7")
            scene.admin.delete("Dataset", "c", scene.space)
            scene.until_mirrored("c", None)
            await scene.look(worker)
            assert scene.version("c") == "1"


async def test_a_field_that_the_cluster_does_not_know_is_refused_alone(
    cluster: cluster_server.Cluster, namespace: str
) -> None:
    """Its definitions may be of another release: that object is told, the others are applied, and nothing waits for the server."""
    cluster.service_account(namespace, "wbx-source", [APPLY_RULE]).close()
    account = ports.Account(namespace, "wbx-source", f"{namespace}/team")
    spec = {"project": "lab", "uri": "https://example.com/a.csv", "format": "csv"}
    given = [
        ports.Manifest(model.Key("Dataset", namespace, name), json.dumps(more), "0" * 64, False)
        for name, more in [("old", spec), ("new", spec | {"later": 1})]
    ]
    config = cluster.kubeconfig(cluster.admin.token)
    async with accounts.speaking(kubeconfig.load({}, config)) as api:
        refused = await api.apply(account, given)
    assert [key.name for key in refused] == ["new"]
    assert ".spec.later: field not declared in schema" in refused[given[1].key]
    assert cluster.admin.get("Dataset", "old", namespace) is not None


@pytest.mark.parametrize("by", ["trailer", "order"])
async def test_a_prune_of_many_waits_for_a_person(scene: Scene, by: str) -> None:
    """Eleven of twelve gone in one commit: nothing is deleted, the Source names the token, its plan is kept, and a trailer or an order with the token lets the prune happen."""
    names = [f"d{number}" for number in range(12)]
    scene.commit({f"{name}.yaml": scene.dataset(name) for name in names})
    with scene.lab.operator():
        scene.until_followed()
        async with scene.follower() as worker:
            await scene.look(worker)
            scene.commit({f"{name}.yaml": None for name in names[1:]})
            held = (await scene.look(worker))["held"]
            assert held["count"] == 11
            assert all(scene.live(name) for name in names)
            scene.until_told(f"wbx confirm {held['token']}")
            assert "held" in await scene.look(worker)
            if by == "trailer":
                scene.commit({}, f"yes\n\nWorkbenchX-Confirm: {held['token']}")
            else:
                kept = "select count(*) from ops.plans, jsonb_array_elements(document -> 'steps') where destroy_token = %s"
                assert scene.lab.rows(kept, held["token"]) == [(11,)]
                order = "insert into ops.interventions (verb, args, actor)"
                scene.lab.rows(
                    f"{order} values ('confirm', jsonb_build_object('token', %s::text), 'x') returning id",
                    held["token"],
                )
            said = await scene.look(worker)
            assert (said["removed"], "held" in said) == (11, False)
            assert [name for name in names if scene.live(name)] == ["d0"]
            ordered = "select args ->> 'source' from ops.interventions where verb = 'confirm'"
            assert scene.lab.rows(ordered) == [(scene.source if by == "trailer" else None,)]


async def test_a_token_that_is_refused_leaves_it_to_be_done_later(scene: Scene) -> None:
    """Without the account nothing is applied and the Source says which Role is missing; once it is there, what was intended is applied."""
    scene.commit({"a.yaml": scene.dataset("a")})
    scene.admin.delete("ServiceAccount", "wbx-source", scene.space)
    with scene.lab.operator():
        scene.until_followed()
        async with scene.follower() as worker:
            said = await scene.look(worker)
            assert said["reason"] == "SourceRefused"
            assert "wbx-source" in said["message"]
            assert scene.live("a") is None
            scene.lab.cluster.service_account(scene.space, "wbx-source", [APPLY_RULE]).close()
            assert (await scene.look(worker))["reason"] == ""
            assert scene.version("a") == "1"
