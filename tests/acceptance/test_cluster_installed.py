"""The dev overlay, installed for real: our image on a real node, each part under its own service account."""

import json
import pathlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import cli_wbx
import cluster_node
import cluster_server
import dev_overlay
import httpx
import psycopg
import pytest
import tree
import yaml
from cluster_fixtures import cluster, node

from workbenchx.api import registry

__all__ = ["cluster", "node"]
SYSTEM = "wbx-system"
SANDBOXES = "wbx-sandboxes"
APP = ("AppDeployment", "penguins", "which-penguin")
SESSION = ("Session", "penguins", "notebook")
SANDBOX = "workbenchx.dev/sandbox"
OF_SANDBOXES = ("Job", "Pod", "Service", "NetworkPolicy", "Secret", "ConfigMap")
OF_EVERY_NAMESPACE = {"ConfigMap/kube-root-ca.crt", "NetworkPolicy/default-deny"}
LEFT_IN_OPS = {
    "declared": "select kind, name from ops.declared where source = 'cluster'",
    "living": "select kind, name from ops.resources",
    "at a provider": "select kind, external_id, state from ops.provider_objects where state <> 'gone'",
    "at work": "select kind, name, operation from ops.runs where state in ('queued', 'running')",
    "history that goes on": (
        "select kind, name from (select distinct on (uid) kind, name, deleted from"
        " ops.resource_history order by uid, id desc) as latest where not deleted"
    ),
}
"""Each must find nothing once everything is deleted: what is left is history."""
Key = tuple[str, str, str]


class Installed:
    """The overlay on a cluster, everything Available."""

    def __init__(self, cluster: cluster_server.Cluster, images: dict[str, str]) -> None:
        self.cluster = cluster
        self.images = images

    def address(self, part: str) -> str:
        """Where a pod of a part is."""
        pods = self.cluster.admin.list("Pod", SYSTEM)
        return next(
            str(each["status"]["podIP"])
            for each in pods
            if each["metadata"]["labels"].get("app.kubernetes.io/component") == part
            and each["status"].get("podIP")
            and not each["metadata"].get("deletionTimestamp")
        )

    def told(self, part: str, port: int, path: str) -> tuple[int, str]:
        """What a part answers over HTTP."""
        url = f"http://{self.address(part)}:{port}{path}"
        answer = httpx.get(url, timeout=30, trust_env=False)
        return answer.status_code, answer.text

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask its database as the engine."""
        where = f"host={self.address('postgres')} dbname=wbx user=wbx_engine"
        with psycopg.connect(f"{where} password=for-development", autocommit=True) as conn:
            return conn.execute(query.encode()).fetchall()


@pytest.fixture
def installed(
    cluster: cluster_server.Cluster, node: cluster_node.Node, tmp_path: pathlib.Path
) -> Iterator[Installed]:
    """By `kubectl apply -k`, removed after the test."""
    images = dev_overlay.images(node)
    folder = tmp_path / "overlay"
    folder.mkdir()
    with dev_overlay.repository(node, tmp_path) as url:
        try:
            dev_overlay.install(cluster, dev_overlay.write(folder, images, url))
            yield Installed(cluster, images)
        finally:
            dev_overlay.remove(cluster, "penguins")


def sample(folder: pathlib.Path, image: str) -> list[Key]:
    """ssot/ as a small node can run it, with a Runtime image that it has; its objects, by kind, namespace and name."""
    shutil.copytree(tree.ROOT / "ssot", folder)
    keys = []
    for path in sorted(folder.rglob("*.yaml")):
        documents = list(yaml.safe_load_all(path.read_text()))
        for each in documents:
            spec, metadata = each["spec"], each["metadata"]
            keys.append((each["kind"], metadata.get("namespace", ""), metadata["name"]))
            if each["kind"] == "Runtime":
                spec["image"] = image
            if "resources" in spec and each["kind"] != "Template":
                spec["resources"] = {"cpu": "200m", "memory": "256Mi"}
            if "matrix" in spec:
                spec |= {"matrix": {"learning_rate": [0.003, 0.03], "epochs": [20]}, "seeds": [1]}
        path.write_text(yaml.safe_dump_all(documents))
    return keys


def not_ready(cluster: cluster_server.Cluster, keys: list[Key]) -> list[str]:
    """Those that are not Ready for their newest generation, and why."""
    left = []
    for kind, namespace, name in keys:
        found = cluster.admin.get(kind, name, namespace) or {}
        conditions = found.get("status", {}).get("conditions", [])
        ready = next((each for each in conditions if each["type"] == "Ready"), None)
        if ready is None or ready["status"] != "True":
            left.append(f"{kind}/{name}: {ready and (ready['reason'], ready['message'])}")
    return left


def until_ready(cluster: cluster_server.Cluster, keys: list[Key], *, timeout: float) -> None:
    """Wait until all are Ready; says which are not, and what the parts printed."""
    try:
        cluster_server.until("Ready", lambda: not not_ready(cluster, keys), timeout=timeout)
    except AssertionError:
        left = "\n".join(not_ready(cluster, keys))
        raise AssertionError(f"{left}\n{dev_overlay.explain(cluster)}") from None


def rows_alone(keys: list[Key]) -> list[Key]:
    """Those that need nothing to be executed: a Model waits for the run that makes it."""
    return [key for key in keys if registry.KINDS[key[0]].row_only and key[0] != "Model"]


def test_the_dev_overlay_runs_the_sample(installed: Installed, tmp_path: pathlib.Path) -> None:
    """`kubectl apply -k`: all parts answer; `kubectl apply -R -f ssot/` once becomes Ready, the app again after a drain; deleted and confirmed, only history is left."""
    cluster = installed.cluster
    for part, port in (("operator", 8421), ("worker", 8421), ("console", 8420), ("gateway", 8421)):
        assert installed.told(part, port, "/readyz")[0] == 200
    assert installed.told("console", 8420, "/api/v1/resources")[0] == 401
    assert installed.told("gateway", 8420, "/v1/models")[0] == 401

    folder = tmp_path / "ssot"
    keys = sample(folder, installed.images["workbenchx"])
    done = cluster.kubectl("apply", "-R", "-f", folder)
    assert done.returncode == 0, done.stderr
    until_ready(cluster, rows_alone(keys), timeout=400)
    until_ready(cluster, keys, timeout=900)
    models_are_served(installed)
    changes_are_tried_out(cluster)
    assert installed.rows(
        "select state, reason from ops.runs where kind = 'RunnerJob' and name = 'ingest'"
    ) == [("succeeded", "Succeeded")]
    assert installed.rows("select count(*) > 2 from ops.artifacts") == [(True,)]

    before = reached_through_its_service(cluster)
    drained(cluster, before)
    until_ready(cluster, [APP], timeout=900)
    after = reached_through_its_service(cluster)
    assert after["metadata"]["name"] == before["metadata"]["name"]

    done = cluster.kubectl("delete", "-R", "-f", folder, "--wait=false")
    assert done.returncode == 0, done.stderr
    cluster_server.until(
        "all but the session, which holds data, are gone",
        lambda: remaining(cluster, keys) == [SESSION],
        timeout=600,
    )
    confirm_what_is_held(installed, tmp_path)
    nothing_is_left(installed, keys)


def models_are_served(installed: Installed) -> None:
    """Claim: the gateway lists the sample's alias for who signed in; asked for what its image lacks, it says what is missing."""
    url = f"http://{installed.address('gateway')}:8420/v1"
    headers = {"Authorization": f"Bearer {dev_overlay.token()}"}
    with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
        seen: list[str] = []

        def served() -> bool:
            seen[:] = [each["id"] for each in client.get("/models").json()["data"]]
            return seen == ["assistant"]

        try:
            cluster_server.until("the alias is served", served, timeout=600)
        except AssertionError:
            told = dev_overlay.explain(installed.cluster)
            raise AssertionError(f"served are {seen}\n{told}") from None
        body = {"model": "assistant", "messages": [{"role": "user", "content": "hello"}]}
        answer = client.post("/chat/completions", json=body)
    assert "llama.cpp and its model are not installed" in answer.json()["error"]["message"]


def changes_are_tried_out(cluster: cluster_server.Cluster) -> None:
    """Claim: FixBot can try a change out in a worker's pod, which is restricted."""
    what = ("deployment/wbx-worker", "--", "python", "-c", tree.read("tests/support/fixbot_try.py"))
    done = cluster.kubectl("-n", SYSTEM, "exec", *what, timeout=400)
    assert (done.stdout.strip(), done.returncode) == ("refusal:", 0), (done.stdout, done.stderr)


def reached_through_its_service(cluster: cluster_server.Cluster) -> dict[str, Any]:
    """Claim: the app's URL is the address of a Service, which leads to it (the worker asks it there, too); the Service."""
    url = str((cluster.admin.get(*_named(APP)) or {})["status"]["url"])
    host, port = url.removeprefix("http://").split(":")
    services = cluster.admin.list("Service", SANDBOXES)
    (found,) = [each for each in services if each["spec"]["clusterIP"] == host]
    name = found["metadata"]["name"]
    where = f"/api/v1/namespaces/{SANDBOXES}/services/{name}:{port}/proxy/healthz"
    cluster_server.until(
        "the app answers through its Service",
        lambda: cluster.admin.request("GET", where).is_success,
    )
    return found


def drained(cluster: cluster_server.Cluster, service: dict[str, Any]) -> None:
    """Evict the app's pod as `kubectl drain` does: another attempt takes its place by itself."""
    first = service["metadata"]["labels"][SANDBOX]
    (pod,) = [
        each["metadata"]["name"]
        for each in cluster.admin.list("Pod", SANDBOXES)
        if each["metadata"]["labels"][SANDBOX] == first
    ]
    metadata = {"name": pod, "namespace": SANDBOXES}
    order = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    where = f"/api/v1/namespaces/{SANDBOXES}/pods/{pod}/eviction"
    cluster.admin.call("POST", where, json=order)

    def replaced() -> bool:
        found = cluster.admin.get("Service", service["metadata"]["name"], SANDBOXES)
        return found is not None and found["metadata"]["labels"][SANDBOX] != first

    cluster_server.until("another attempt of the app", replaced, timeout=400)


def remaining(cluster: cluster_server.Cluster, keys: list[Key]) -> list[Key]:
    """Those of the objects that the API server still has."""
    return [key for key in keys if cluster.admin.get(*_named(key))]


def _named(key: Key) -> tuple[str, str, str]:
    kind, namespace, name = key
    return kind, name, namespace


def confirm_what_is_held(installed: Installed, folder: pathlib.Path) -> None:
    """As its status says: `wbx confirm` shows the token and takes it, through the console as a person reaches it."""
    cluster = installed.cluster
    cluster_server.until(
        "it is held, with the way out",
        lambda: "wbx confirm shows what goes, and the token" in str(not_ready(cluster, [SESSION])),
        timeout=400,
    )
    with dev_overlay.console(cluster) as url:
        extra = {"WBX_API_URL": url, "WBX_API_TOKEN": dev_overlay.token()}

        def wbx(*arguments: str) -> "subprocess.CompletedProcess[str]":
            return cli_wbx.wbx(*arguments, folder=folder, extra=extra, timeout=400)

        shown = wbx("confirm")
        token = re.search(r"wbx confirm ([0-9a-f]{12})", shown.stdout)
        assert token is not None, (shown.stdout, shown.stderr)
        done = wbx("confirm", token[1])
        assert done.returncode == 0, (done.stdout, done.stderr)


def nothing_is_left(installed: Installed, keys: list[Key]) -> None:
    """Claim: no object in the API server, nothing of ours where sandboxes are, and in `ops` only history."""
    cluster = installed.cluster
    cluster_server.until("the session is gone", lambda: not remaining(cluster, keys), timeout=600)

    def at_provider() -> list[str]:
        return [
            f"{kind}/{each['metadata']['name']}"
            for kind in OF_SANDBOXES
            for each in cluster.admin.list(kind, SANDBOXES)
            if f"{kind}/{each['metadata']['name']}" not in OF_EVERY_NAMESPACE
        ]

    def left() -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {"where sandboxes are": at_provider()}
        found |= {what: installed.rows(query) for what, query in LEFT_IN_OPS.items()}
        return {what: rows for what, rows in found.items() if rows}

    try:
        cluster_server.until("only history is left", lambda: not left(), timeout=600)
    except AssertionError:
        raise AssertionError(f"{json.dumps(left(), default=str)}") from None
    buried = installed.rows("select kind, namespace, name from ops.resource_history where deleted")
    assert {(kind, space or "", name) for kind, space, name in buried} >= set(keys)
