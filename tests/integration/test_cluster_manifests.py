"""The manifests: what kubectl makes of them, what the API server takes, and what `wbx operator install` does with them."""

import pathlib
import subprocess
import sys
from typing import Any

import cluster_server
import pytest
import tree
import yaml
from cluster_fixtures import cluster

from workbenchx.cli import installing

__all__ = ["cluster"]
MANIFESTS = tree.ROOT / "manifests"
KUSTOMIZATIONS = sorted(
    path.parent.relative_to(tree.ROOT).as_posix()
    for path in MANIFESTS.rglob("kustomization.yaml")
    if "components" not in path.parts
)
OURS = {"base": None, "overlays/dev": "dev", "overlays/supabase": "supabase"}
IMAGE = "registry.example/workbenchx@sha256:" + "1" * 64


def kustomized(folder: str) -> list[dict[str, Any]]:
    """What kubectl makes of a folder."""
    kubectl = cluster_server.need("kubectl")
    done = subprocess.run(
        [kubectl, "kustomize", folder], cwd=tree.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def wbx(*arguments: str | pathlib.Path, home: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """`wbx operator install`."""
    return subprocess.run(
        [sys.executable, "-m", "workbenchx.cli.main", "operator", "install", *arguments],
        cwd=home,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("name", OURS)
def test_without_kustomize_the_same_objects(name: str, tmp_path: pathlib.Path) -> None:
    """`wbx operator install --dry-run` prints what kubectl makes, object by object."""
    overlay = ["--overlay", str(OURS[name])] if OURS[name] else []
    done = wbx("--dry-run", *overlay, home=tmp_path)
    assert done.returncode == 0, done.stderr
    printed = list(yaml.safe_load_all(done.stdout))
    theirs = {installing.identity(each): each for each in kustomized(f"manifests/{name}")}
    assert {installing.identity(each): each for each in printed} == theirs
    assert len(printed) == len(theirs)


@pytest.mark.parametrize("folder", KUSTOMIZATIONS)
def test_every_folder_is_what_a_cluster_takes(cluster: cluster_server.Cluster, folder: str) -> None:
    """Server-side, strictly: no field is misspelt, no pod is more than restricted."""
    for document in kustomized(folder):
        metadata = document["metadata"]
        document["metadata"] = metadata | (
            {"namespace": "default"} if metadata.get("namespace") else {}
        )
        found = cluster.admin.apply(document, manager="look", dryRun="All")
        assert found["metadata"]["name"] == metadata["name"]


@pytest.mark.parametrize("name", ["ingress", "secrets", "source-account"])
def test_every_example_is_what_a_cluster_takes(cluster: cluster_server.Cluster, name: str) -> None:
    """Strictly; and an Ingress leads to Services that there are, by the names of their ports."""
    services = {
        each["metadata"]["name"]: {port["name"] for port in each["spec"]["ports"]}
        for each in kustomized("manifests")
        if each["kind"] == "Service"
    }
    for document in yaml.safe_load_all((MANIFESTS / "examples" / f"{name}.yaml").read_text()):
        document["metadata"]["namespace"] = "default"
        cluster.admin.apply(document, manager="look", dryRun="All")
        for rule in document.get("spec", {}).get("rules", []):
            for path in rule["http"]["paths"]:
                service = path["backend"]["service"]
                assert service["port"]["name"] in services[service["name"]]


def test_pods_are_restricted_and_hold_no_token_they_do_not_need() -> None:
    """Whatever is in them: not root, nothing to write but scratch, no capability, resources bounded; only who speaks to the API server has a token."""
    pods = {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for each in kustomized("manifests/overlays/dev")
        if each["kind"] in {"Deployment", "Job"}
    }
    speaking = {name for name, pod in pods.items() if pod["automountServiceAccountToken"]}
    assert speaking == {"wbx-operator", "wbx-worker"}
    for pod in pods.values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
        for volume in pod["volumes"]:
            kept = volume["name"] == "data"  # what a database or a store of development holds
            assert kept or volume["emptyDir"]["sizeLimit"]
    base = [each for each in kustomized("manifests") if each["kind"] == "Deployment"]
    assert [each["spec"]["replicas"] for each in base] == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("folder", "ports"),
    [
        ("manifests", {22, 53, 443, 5432, 6443}),
        ("manifests/overlays/dev", {22, 53, 80, 443, 5432, 6443, 7070, 9418}),
    ],
)
def test_a_worker_reaches_repositories(folder: str, ports: set[int]) -> None:
    """By policy over https and ssh; in development also without encryption. No policy names a port for nobody."""
    policies = [each["spec"] for each in kustomized(folder) if each["kind"] == "NetworkPolicy"]
    labels = {"app.kubernetes.io/name": "workbenchx", "app.kubernetes.io/component": "worker"}
    found: set[int] = set()
    for policy in policies:
        chosen = policy["podSelector"].get("matchLabels", {})
        if chosen and chosen.items() <= labels.items():
            found |= {
                each["port"] for rule in policy.get("egress", []) for each in rule.get("ports", [])
            }
    assert found == ports


def test_roles_are_what_the_code_says_it_needs() -> None:
    """Written from the permissions of the code; no Role grants a wildcard, and but one a Secret: `get`, bound in a project's namespace only."""
    done = subprocess.run(
        [sys.executable, ".ci/manifests.py", "--check"],
        cwd=tree.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    for role in kustomized("manifests/overlays/dev"):
        for rule in role.get("rules") or []:
            words = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
            assert not words & {"*", "bind", "escalate", "impersonate"}
            if "secrets" in words:
                assert role["metadata"]["name"] == "wbx-project-secrets"
                assert (rule["resources"], rule["verbs"]) == (["secrets"], ["get"])
    bound = [
        (each["kind"], each["metadata"]["namespace"])
        for each in kustomized("manifests/overlays/dev")
        if each["kind"].endswith("Binding") and each["roleRef"]["name"] == "wbx-project-secrets"
    ]
    assert bound == [("RoleBinding", "penguins")]


def test_installing_again_changes_nothing(
    cluster: cluster_server.Cluster, tmp_path: pathlib.Path
) -> None:
    """Everything is made; the second time everything is unchanged; another image is another Job."""
    kubeconfig = str(cluster.kubeconfig(cluster.admin.token))
    flags = ["--overlay", "dev", "--wait", "0", "--kubeconfig", kubeconfig]
    try:
        done = wbx("--image", IMAGE, *flags, home=tmp_path)
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert "Deployment/wbx-system/wbx-worker created" in lines
        assert len(lines) == len(kustomized("manifests/overlays/dev"))
        settings = cluster.admin.get("ConfigMap", "wbx-settings", "wbx-system")
        assert settings is not None
        assert settings["data"]["WBX_IMAGE"] == IMAGE
        again = wbx("--image", IMAGE, *flags, home=tmp_path).stdout.splitlines()
        assert [line for line in again if not line.endswith(" unchanged")] == []
        other = wbx("--image", IMAGE.replace("1", "2"), *flags, home=tmp_path).stdout
        assert "Job/wbx-system/wbx-migrate replaced" in other
        assert "Deployment/wbx-system/wbx-operator changed" in other
    finally:
        for document in reversed(installing.render("dev", {})):
            if document["kind"] not in {"CustomResourceDefinition", "Namespace"}:
                kind, namespace, name = installing.identity(document)
                cluster.kubectl("delete", kind, name, *(["-n", namespace] if namespace else []))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--overlay", "prod"], "there are: dev, supabase"),
        ([], "which image is to run is not said"),
        (["--image", "workbenchx:latest"], "is not named by its digest"),
    ],
)
def test_what_cannot_be_installed_is_told(
    arguments: list[str], says: str, tmp_path: pathlib.Path
) -> None:
    """One line, with the way out; nothing is asked of a cluster."""
    done = wbx(*arguments, home=tmp_path)
    assert done.returncode == 1
    assert says in done.stderr
