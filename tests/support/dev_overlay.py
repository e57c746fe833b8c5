"""The dev overlay on the real node: our images, fixed addresses instead of a cluster DNS, and `kubectl apply -k`."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator

import cluster_node
import cluster_node_files
import cluster_server
import git_lab
import httpx
import jwt
import oci_images
import own_image
import pytest
import storage_programs
import tree
import yaml

# Of the sixteen that the API server gives to nobody by itself (of a range of 256).
_ADDRESSES = {"wbx-postgres": "10.0.0.11", "wbx-s3": "10.0.0.12"}
_WORKING = ("operator", "worker", "console", "gateway")


def images(node: cluster_node.Node) -> dict[str, str]:
    """Push our image and the S3 server's: the names in the manifests, and where they are by digest."""
    s3 = storage_programs.find()
    if s3 is None:
        pytest.skip(f"needs versitygw: {storage_programs.HOW}")
    ours = f"{cluster_node_files.REGISTRY}/{own_image.push(f'{node.own}:5000')}"
    gateway = oci_images.make({"versitygw": s3.read_bytes()}, Entrypoint=["/versitygw"])
    return {"workbenchx": ours, "versity/versitygw": node.push("versitygw", gateway)}


def write(folder: pathlib.Path, named: dict[str, str], repository: str) -> pathlib.Path:
    """An overlay as a user has one: images by digest, the repository; and, for want of a DNS, addresses of the servers."""
    aliases = [
        {"ip": address, "hostnames": [f"{name}.wbx-system.svc"]}
        for name, address in _ADDRESSES.items()
    ]
    names = {"hostAliases": aliases}
    patches = [
        _patch(
            "v1",
            "ConfigMap",
            "wbx-settings",
            data={"WBX_IMAGE": named["workbenchx"], "WBX_REPOSITORY": repository},
        ),
        _patch("batch/v1", "Job", "wbx-migrate", spec={"template": {"spec": names}}),
    ]
    for part in _WORKING:
        spec = {"template": {"spec": names}}
        patches.append(_patch("apps/v1", "Deployment", f"wbx-{part}", spec=spec))
    for name, address in _ADDRESSES.items():
        patches.append(_patch("v1", "Service", name, spec={"clusterIP": address}))
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(tree.ROOT / "manifests/overlays/dev", folder)],
        "images": [_image(name, where) for name, where in named.items()],
        "patches": [{"patch": yaml.safe_dump(patch)} for patch in patches],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(document))
    return folder


def install(cluster: cluster_server.Cluster, folder: pathlib.Path) -> None:
    """`kubectl apply -k`, and what a person does then: wait."""
    done = cluster.kubectl("apply", "-k", folder)
    assert done.returncode == 0, done.stderr
    done = cluster.kubectl(
        *("-n", "wbx-system", "wait", "--for=condition=Available", "deployment", "--all"),
        "--timeout=900s",
        timeout=910,
    )
    assert done.returncode == 0, f"{done.stderr}\n{explain(cluster)}"


@contextlib.contextmanager
def repository(node: cluster_node.Node, folder: pathlib.Path) -> Iterator[str]:
    """A git server with the sample's repository, where pods reach it: its URL."""
    served = folder / "git" / "sample"
    shutil.copytree(tree.ROOT / "ssot", served / "ssot")
    git_lab.committed(served)
    (port,) = cluster_server.free_ports(1)
    where = [f"--listen={node.near}", f"--port={port}", f"--base-path={folder / 'git'}"]
    daemon = ["git", "daemon", "--export-all", "--reuseaddr", *where]
    with subprocess.Popen(daemon, stderr=subprocess.DEVNULL) as server:
        try:
            yield f"git://{node.near}:{port}/sample"
        finally:
            server.terminate()


@contextlib.contextmanager
def console(cluster: cluster_server.Cluster) -> Iterator[str]:
    """The console as a person on this machine reaches it, by `kubectl port-forward`: its URL."""
    (port,) = cluster_server.free_ports(1)
    config = cluster.kubeconfig(cluster.admin.token)
    kubectl = [str(cluster_server.need("kubectl")), f"--kubeconfig={config}"]
    forward = ["-n", "wbx-system", "port-forward", "service/wbx-console", f"{port}:80"]
    with subprocess.Popen([*kubectl, *forward], stdout=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            cluster_server.until("the console answers", lambda: _answers(url), timeout=60)
            yield url
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False


def token() -> str:
    """A token that the overlay's console believes, of somebody of the platform team: as its README says."""
    secrets = yaml.safe_load_all((tree.ROOT / "manifests/overlays/dev/secrets.yaml").read_text())
    (key,) = [
        each["stringData"]["WBX_DEV_TOKEN_SECRET"]
        for each in secrets
        if each["metadata"]["name"] == "wbx-dev-tokens"
    ]
    claims = {
        "iss": "http://127.0.0.1:9999/auth/v1",
        "aud": "authenticated",
        "sub": str(uuid.uuid4()),
        "role": "authenticated",
        "exp": int(time.time()) + 3600,
        "app_metadata": {"wbx_role": "platform"},
    }
    return jwt.encode(claims, key, "HS256")


def remove(cluster: cluster_server.Cluster, *namespaces: str) -> None:
    """All of it but the CRDs, which are the session's; the operator first, so that it holds nothing."""
    for space in ("wbx-system", "wbx-sandboxes", *namespaces):
        cluster.kubectl("delete", "namespace", space, "--ignore-not-found", "--wait=false")
    for kind in ("clusterrole", "clusterrolebinding"):
        cluster.kubectl("delete", kind, "wbx-operator", "--ignore-not-found")
    cluster_server.until(
        "no pod is left", lambda: not cluster.admin.list("Pod", "wbx-system"), timeout=120
    )


def explain(cluster: cluster_server.Cluster) -> str:
    """Why it is as it is: pods, events, and the last lines of each."""
    parts = [
        cluster.kubectl("-n", "wbx-system", "get", "pods", "-o", "wide").stdout,
        cluster.kubectl("-n", "wbx-system", "get", "events", "--sort-by=.lastTimestamp").stdout[
            -3000:
        ],
    ]
    for pod in cluster.admin.list("Pod", "wbx-system"):
        name = pod["metadata"]["name"]
        flags = ("--all-containers", "--tail=15", "--prefix")
        told = cluster.kubectl("-n", "wbx-system", "logs", name, *flags)
        parts.append(f"{name}:\n{told.stdout}{told.stderr}")
    return "\n".join(parts)


def _patch(version: str, kind: str, name: str, **what: object) -> dict[str, object]:
    metadata = {"name": name, "namespace": "wbx-system"}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **what}


def _image(name: str, where: str) -> dict[str, str]:
    new, _, digest = where.partition("@")
    return {"name": name, "newName": new, "digest": digest}
