"""The real node: what runs on it runs in a container, with logs, an exit code and an address."""

import signal
from typing import Any

import cluster_node
import cluster_server
import httpx
import pytest
from cluster_fixtures import cluster, namespace, node

__all__ = ["cluster", "namespace", "node"]


def _pod(namespace: str, name: str, image: str, *command: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": image, "command": list(command)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {"restartPolicy": "Never", "containers": [container], **spec},
    }


def _ended(cluster: cluster_server.Cluster, namespace: str, name: str) -> dict[str, Any]:
    """The status of a pod that has ended."""

    def look() -> dict[str, Any] | None:
        found = cluster.admin.get("Pod", name, namespace) or {}
        status: dict[str, Any] = found["status"]
        return status if status["phase"] in {"Succeeded", "Failed"} else None

    return cluster_server.until(f"pod {name} has ended", look)


def _running(cluster: cluster_server.Cluster, namespace: str, name: str) -> str:
    """The address of a pod that runs."""

    def look() -> str | None:
        found = cluster.admin.get("Pod", name, namespace) or {}
        return found["status"].get("podIP") if found["status"]["phase"] == "Running" else None

    return cluster_server.until(f"pod {name} runs", look)


def test_a_job_fails_with_the_exit_code_and_the_log_of_its_container(
    cluster: cluster_server.Cluster, node: cluster_node.Node, namespace: str
) -> None:
    """The controllers, the scheduler, the kubelet and runc all did their part."""
    pod = _pod(namespace, "three", cluster_node.busybox(node), "sh", "-c", "echo told; exit 3")
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": pod["metadata"],
        "spec": {"backoffLimit": 0, "template": {"spec": pod["spec"]}},
    }
    cluster.admin.create(job)

    def failed() -> bool:
        status = (cluster.admin.get("Job", "three", namespace) or {})["status"]
        return any(item["type"] == "Failed" for item in status.get("conditions", []))

    cluster_server.until("the job has failed", failed)
    (made,) = cluster.admin.list("Pod", namespace)
    (container,) = made["status"]["containerStatuses"]
    assert container["state"]["terminated"]["exitCode"] == 3
    assert cluster.kubectl("logs", "job/three", "-n", namespace).stdout == "told\n"


def test_a_pod_and_its_service_answer(
    cluster: cluster_server.Cluster, node: cluster_node.Node, namespace: str
) -> None:
    """From here at the pod's own address, from another pod at the Service's; the API server is there for pods too."""
    image = cluster_node.busybox(node)
    serve = "echo served > /index.html; exec httpd -f -p 8080 -h /"
    cluster.admin.create(_pod(namespace, "page", image, "sh", "-c", serve))
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "page", "namespace": namespace},
        "spec": {"selector": {"app": "page"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    address = cluster.admin.create(service)["spec"]["clusterIP"]
    page = _running(cluster, namespace, "page")
    cluster_server.until("the pod answers", lambda: _served(f"http://{page}:8080/"))
    ask = (
        f"until printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {address} 80; do sleep 1; done"
        "; nc -w 5 10.0.0.1 443 </dev/null"
    )
    cluster.admin.create(_pod(namespace, "asks", image, "sh", "-c", ask))
    assert _ended(cluster, namespace, "asks")["phase"] == "Succeeded"
    assert cluster.kubectl("logs", "asks", "-n", namespace).stdout.endswith("served\n")


def _served(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).text == "served\n"
    except httpx.TransportError:
        return False


def test_a_restricted_pod_runs_as_nobody_in_particular(
    cluster: cluster_server.Cluster, node: cluster_node.Node, namespace: str
) -> None:
    """Under the restricted Pod Security level: no root, no writable root, no capability; and what is not, is refused."""
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.admin.merge("Namespace", namespace, {"metadata": {"labels": label}})
    image = cluster_node.busybox(node)
    script = "id -u; touch /here || echo read-only"
    pod = _pod(namespace, "small", image, "sh", "-c", script)
    refused = cluster.admin.request("POST", f"/api/v1/namespaces/{namespace}/pods", json=pod)
    assert "violates PodSecurity" in refused.json()["message"]

    pod["spec"]["containers"][0]["securityContext"] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    cluster.admin.create(pod)
    assert _ended(cluster, namespace, "small")["phase"] == "Succeeded"
    said = cluster.kubectl("logs", "small", "-n", namespace).stdout.splitlines()
    assert {"1000", "read-only"} <= set(said)


def test_a_memory_limit_is_kept(
    cluster: cluster_server.Cluster, node: cluster_node.Node, namespace: str
) -> None:
    """What takes more is killed, and the kubelet says why."""
    grow = "x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done"
    pod = _pod(namespace, "hungry", cluster_node.busybox(node), "sh", "-c", grow)
    pod["spec"]["containers"][0]["resources"] = {"limits": {"memory": "16Mi"}}
    cluster.admin.create(pod)
    (container,) = _ended(cluster, namespace, "hungry")["containerStatuses"]
    assert container["state"]["terminated"]["reason"] == "OOMKilled"


def test_an_image_that_the_registry_does_not_have_is_told(
    cluster: cluster_server.Cluster, node: cluster_node.Node, namespace: str
) -> None:
    """No pod runs anything but what was pushed: the digest is what is asked for."""
    image = cluster_node.busybox(node).partition("@")[0] + "@sha256:" + "0" * 64
    cluster.admin.create(_pod(namespace, "missing", image, "true"))

    def waiting() -> str | None:
        status = (cluster.admin.get("Pod", "missing", namespace) or {})["status"]
        states = [item["state"].get("waiting", {}) for item in status.get("containerStatuses", [])]
        return next((item["reason"] for item in states if "Pull" in item.get("reason", "")), None)

    assert cluster_server.until("the pull has failed", waiting) in {
        "ErrImagePull",
        "ImagePullBackOff",
    }


def test_a_service_account_may_do_what_its_role_says(
    cluster: cluster_server.Cluster, namespace: str
) -> None:
    """RBAC is real: what no rule grants is forbidden."""
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    client = cluster.service_account(namespace, "reader", rules)
    try:
        assert client.list("Pod") == cluster.admin.list("Pod")
        refused = client.request("GET", f"/api/v1/namespaces/{namespace}/secrets")
        assert refused.status_code == httpx.codes.FORBIDDEN
    finally:
        client.close()


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_the_api_server_comes_back_with_everything(
    cluster: cluster_server.Cluster, namespace: str, how: str
) -> None:
    """Tests of faults take it away and give it back; the data stays."""
    version = cluster.admin.call("GET", f"/api/v1/namespaces/{namespace}")["metadata"]
    cluster.stop_api(signal.SIGKILL if how == "killed" else signal.SIGTERM)
    with pytest.raises(httpx.TransportError):
        cluster.admin.request("GET", "/readyz")
    cluster.start_api()
    assert cluster.admin.call("GET", f"/api/v1/namespaces/{namespace}")["metadata"] == version
