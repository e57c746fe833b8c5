"""The dev overlay, installed for real: our image on a real node, each part under its own service account."""

import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

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
    """`kubectl apply -k`: all parts answer; `kubectl apply -R -f ssot/` once becomes Ready; deleted, only what holds data waits."""
    cluster = installed.cluster
    for part, port in (("operator", 8421), ("worker", 8421), ("console", 8420)):
        assert installed.told(part, port, "/readyz")[0] == 200
    assert installed.told("console", 8420, "/api/v1/resources")[0] == 401

    folder = tmp_path / "ssot"
    keys = sample(folder, installed.images["workbenchx"])
    done = cluster.kubectl("apply", "-R", "-f", folder)
    assert done.returncode == 0, done.stderr
    until_ready(cluster, rows_alone(keys), timeout=120)
    until_ready(cluster, keys, timeout=400)
    assert installed.rows(
        "select state, reason from ops.runs where kind = 'RunnerJob' and name = 'ingest'"
    ) == [("succeeded", "Succeeded")]
    assert installed.rows("select count(*) > 2 from ops.artifacts") == [(True,)]

    done = cluster.kubectl("delete", "-R", "-f", folder, "--wait=false")
    assert done.returncode == 0, done.stderr
    session = ("Session", "penguins", "notebook")
    others = [key for key in keys if key != session]
    cluster_server.until(
        "all but the session, which holds data, are gone",
        lambda: not any(cluster.admin.get(kind, name, space) for kind, space, name in others),
        timeout=200,
    )
    cluster_server.until("it is held", lambda: "Held" in str(not_ready(cluster, [session])))
    cluster_server.until(
        "nothing else is left at the provider",
        lambda: len(cluster.admin.list("Job", "wbx-sandboxes")) == 1,
    )
    assert installed.rows("select count(*) > 0 from ops.resource_history") == [(True,)]
