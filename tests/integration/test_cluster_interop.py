"""Tools that know nothing of us: kstatus (Flux, cli-utils), Argo CD's health check, and kubectl's wait, diff and explain."""

import json
import pathlib
import subprocess
from typing import Any

import cluster_server
import operator_lab
import pytest
import tree
import yaml
from cluster_fixtures import cluster, namespace
from operator_fixtures import lab
from store_fixtures import database, server

from workbenchx.api import registry

__all__ = ["cluster", "database", "lab", "namespace", "server"]
FLUX = {
    "kustomize.toolkit.fluxcd.io/name": "penguins",
    "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
}
ARGO = {"argocd.argoproj.io/tracking-id": "penguins:workbenchx.dev/Dataset:lab/flowers"}


def judged(items: list[dict[str, Any]], *script: str | pathlib.Path) -> list[str]:
    """What kstatus (or a health check in Lua) says of each."""
    done = subprocess.run(
        [cluster_server.need("kstatus"), *script],
        input="".join(json.dumps(each) for each in items),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture
def health(tmp_path: pathlib.Path) -> pathlib.Path:
    """The health check that we offer to Argo CD."""
    document = yaml.safe_load(tree.read("manifests/examples/argocd.yaml"))
    checks = yaml.safe_load(document["data"]["resource.customizations"])
    path = tmp_path / "health.lua"
    path.write_text(checks["workbenchx.dev/*"]["health.lua"])
    return path


def project(lab: operator_lab.Lab, **spec: Any) -> dict[str, Any]:
    """A project of this test's namespace."""
    return {
        "apiVersion": registry.API_VERSION,
        "kind": "Project",
        "metadata": {"name": lab.namespace},
        "spec": {"repo": {"url": "https://git.example.org/x.git"}} | spec,
    }


def dataset(lab: operator_lab.Lab, name: str = "flowers", **spec: Any) -> dict[str, Any]:
    """A dataset of the project."""
    return {
        "apiVersion": registry.API_VERSION,
        "kind": "Dataset",
        "metadata": {"name": name, "namespace": lab.namespace},
        "spec": {
            "project": lab.namespace,
            "uri": "https://data.example.org/flowers.csv",
            "format": "csv",
            "version": "1",
            "sha256": "0" * 64,
            "classification": "public",
        }
        | spec,
    }


def test_others_read_our_status(lab: operator_lab.Lab, health: pathlib.Path) -> None:
    """Not judged yet is in progress, Ready is current, Stalled has failed: for Flux, cli-utils and Argo CD alike."""
    get = lab.cluster.admin.get
    lab.cluster.admin.apply(project(lab))
    lab.cluster.admin.apply(dataset(lab))
    lab.cluster.admin.apply(dataset(lab, "lost", project="nobody"))
    names = ("flowers", "lost")
    found = [get("Dataset", name, lab.namespace) or {} for name in names]
    assert judged(found) == ["InProgress", "InProgress"]
    assert judged(found, health) == ["Progressing", "Progressing"]
    with lab.operator() as process:
        lab.until_ready([("Dataset", lab.namespace, "flowers")])
        lab.until_ready([("Dataset", lab.namespace, "lost")], status="False")
        found = [get("Dataset", name, lab.namespace) or {} for name in names]
        assert judged(found) == ["Current", "Failed"]
        assert judged(found, health) == ["Healthy", "Degraded"]
        assert process.end() == 143, process.log
    changed = lab.cluster.admin.apply(dataset(lab, version="2"))
    assert judged([changed]) == ["InProgress"]
    assert judged([changed], health) == ["Progressing"]


def test_what_flux_and_argo_write_is_left_alone(lab: operator_lab.Lab) -> None:
    """Their labels, annotations and ownership stay; ours is the status; applying the same again writes nothing."""
    admin = lab.cluster.admin
    admin.apply(project(lab))
    document = dataset(lab)
    document["metadata"] |= {"labels": FLUX, "annotations": ARGO}
    with lab.operator():
        admin.apply(document, manager="kustomize-controller")
        lab.until_ready([("Dataset", lab.namespace, "flowers")])
        found = admin.get("Dataset", "flowers", lab.namespace) or {}
        metadata = found["metadata"]
        assert metadata["labels"] == FLUX
        assert metadata["annotations"] == ARGO
        owners = {each["manager"]: each for each in metadata["managedFields"]}
        assert {each["manager"] for each in metadata["managedFields"]} == {
            "kustomize-controller",
            "workbenchx",
        }
        assert list(owners["workbenchx"]["fieldsV1"]) == ["f:status"]
        again = admin.apply(document, manager="kustomize-controller")
        assert again["metadata"]["resourceVersion"] == metadata["resourceVersion"]
        document["spec"]["version"] = "2"
        admin.apply(document, manager="kustomize-controller")  # no conflict: nobody else owns it
        lab.until_ready([("Dataset", lab.namespace, "flowers")])


def test_kubectl_waits_and_shows_what_would_change(
    lab: operator_lab.Lab, tmp_path: pathlib.Path
) -> None:
    """`kubectl wait` waits for the newest generation; `kubectl diff` shows the change and nothing else."""
    kubectl = lab.cluster.kubectl
    file = tmp_path / "data.yaml"
    documents = [project(lab), dataset(lab)]
    file.write_text(yaml.safe_dump_all(documents))
    where = ("-n", lab.namespace, "dataset/flowers")
    with lab.operator():
        assert kubectl("apply", "-f", file).returncode == 0
        ready = kubectl("wait", "--for=condition=Ready", "--timeout=60s", *where, timeout=90)
        assert ready.returncode == 0, ready.stderr
        assert kubectl("diff", "-f", file).stdout == ""
        documents[1]["spec"]["version"] = "2"
        file.write_text(yaml.safe_dump_all(documents))
        shown = kubectl("diff", "-f", file)
        assert shown.returncode == 1
        lines = [
            line for line in shown.stdout.splitlines() if line[:1] in "+-" and line[1:2] == " "
        ]
        assert {line[1:].strip() for line in lines} >= {'version: "1"', 'version: "2"'}
        assert all("generation" in line or "version" in line for line in lines), lines
        assert kubectl("apply", "-f", file).returncode == 0
        ready = kubectl("wait", "--for=condition=Ready", "--timeout=60s", *where, timeout=90)
        assert ready.returncode == 0, ready.stderr
        found = lab.cluster.admin.get("Dataset", "flowers", lab.namespace) or {}
        assert found["status"]["observedGeneration"] == found["metadata"]["generation"] == 2


@pytest.mark.parametrize("kind", registry.KINDS)
def test_kubectl_explains_every_kind(cluster: cluster_server.Cluster, kind: str) -> None:
    """A purpose, and for every field of its spec a description and a type."""
    told = cluster.kubectl("explain", f"{registry.KINDS[kind].plural}.spec", "-o", "plaintext")
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    fields = [
        number for number, line in enumerate(lines) if line.startswith("  ") and "\t<" in line
    ]
    assert fields
    for number in fields:
        assert lines[number + 1].strip(), lines[number]
    assert (
        cluster.kubectl("explain", registry.KINDS[kind].singular).stdout.count("DESCRIPTION:") == 1
    )
