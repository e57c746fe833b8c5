"""A thin client of an API server for tests: whatever it answers is shown as it is."""

import json
import ssl
from typing import Any

import httpx

from workbenchx.api import registry

_CORE = {
    "ConfigMap": "configmaps",
    "Event": "events",
    "Namespace": "namespaces",
    "Node": "nodes",
    "Pod": "pods",
    "Secret": "secrets",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
}
_OTHERS = {
    "ClusterRole": ("rbac.authorization.k8s.io/v1", "clusterroles"),
    "ClusterRoleBinding": ("rbac.authorization.k8s.io/v1", "clusterrolebindings"),
    "CustomResourceDefinition": ("apiextensions.k8s.io/v1", "customresourcedefinitions"),
    "Deployment": ("apps/v1", "deployments"),
    "Ingress": ("networking.k8s.io/v1", "ingresses"),
    "Job": ("batch/v1", "jobs"),
    "Lease": ("coordination.k8s.io/v1", "leases"),
    "NetworkPolicy": ("networking.k8s.io/v1", "networkpolicies"),
    "PodDisruptionBudget": ("policy/v1", "poddisruptionbudgets"),
    "Role": ("rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("rbac.authorization.k8s.io/v1", "rolebindings"),
}

UNREACHABLE = (httpx.TransportError,)


class RefusedError(AssertionError):
    """The API server refused. `code` is the HTTP status, `reason` and `message` are of its Status."""

    def __init__(self, answer: httpx.Response) -> None:
        told = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        self.code = answer.status_code
        self.reason = str(told.get("reason", ""))
        self.message = str(told.get("message", answer.text))
        super().__init__(
            f"{answer.request.method} {answer.request.url}: {self.code} {self.message}"
        )


def path(kind: str, namespace: str = "", name: str = "") -> str:
    """The path of an object, or of a list of them (in one namespace or, without, in all)."""
    if kind in registry.KINDS:
        api, plural = f"apis/{registry.API_VERSION}", registry.KINDS[kind].plural
    elif kind in _CORE:
        api, plural = "api/v1", _CORE[kind]
    else:
        api, plural = f"apis/{_OTHERS[kind][0]}", _OTHERS[kind][1]
    parts = [api, *(["namespaces", namespace] if namespace else []), plural, name]
    return "/" + "/".join(part for part in parts if part)


def path_of(document: dict[str, Any]) -> str:
    """The path of the object that a document is about."""
    metadata = document["metadata"]
    return path(document["kind"], metadata.get("namespace", ""), metadata["name"])


class Client:
    """Speaks as whoever owns `token`. Methods answer the object, and raise RefusedError where the server refuses."""

    def __init__(self, url: str, tls: ssl.SSLContext, token: str) -> None:
        self.url, self.token = url, token
        self.http = httpx.Client(
            base_url=url,
            verify=tls,
            timeout=30,
            trust_env=False,
            headers={"Authorization": f"Bearer {token}"},
        )

    def request(self, method: str, where: str, **more: Any) -> httpx.Response:
        """One request; the answer, whatever it is."""
        return self.http.request(method, where, **more)

    def call(self, method: str, where: str, **more: Any) -> dict[str, Any]:
        """One request that must succeed; the object in its answer."""
        answer = self.request(method, where, **more)
        if not answer.is_success:
            raise RefusedError(answer)
        found: dict[str, Any] = answer.json()
        return found

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        """An object; None: it is not there."""
        answer = self.request("GET", path(kind, namespace, name))
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if not answer.is_success:
            raise RefusedError(answer)
        found: dict[str, Any] = answer.json()
        return found

    def list(self, kind: str, namespace: str = "") -> list[dict[str, Any]]:
        """All objects of a kind, in one namespace or in all."""
        items: list[dict[str, Any]] = self.call("GET", path(kind, namespace))["items"]
        return items

    def create(self, document: dict[str, Any], **params: str) -> dict[str, Any]:
        """Create an object; unknown and duplicate fields are refused, as by `kubectl create`."""
        where = path(document["kind"], document["metadata"].get("namespace", ""))
        return self.call(
            "POST", where, json=document, params={"fieldValidation": "Strict"} | params
        )

    def apply(
        self,
        document: dict[str, Any],
        *,
        manager: str = "test",
        subresource: str = "",
        **params: str,
    ) -> dict[str, Any]:
        """Server-side apply; unknown and duplicate fields are refused, as by `kubectl apply --server-side`."""
        return self.call(
            "PATCH",
            path_of(document) + (f"/{subresource}" if subresource else ""),
            content=json.dumps(document),  # JSON is YAML
            headers={"Content-Type": "application/apply-patch+yaml"},
            params={"fieldManager": manager, "fieldValidation": "Strict"} | params,
        )

    def merge(self, kind: str, name: str, change: dict[str, Any], namespace: str = "") -> Any:
        """Change an object by a JSON merge patch."""
        return self.call(
            "PATCH",
            path(kind, namespace, name),
            json=change,
            headers={"Content-Type": "application/merge-patch+json"},
        )

    def delete(self, kind: str, name: str = "", namespace: str = "", **params: str) -> None:
        """Delete an object, or with no name all of a kind (in a namespace); what is not there is fine."""
        answer = self.request("DELETE", path(kind, namespace, name), params=params)
        if not answer.is_success and answer.status_code != httpx.codes.NOT_FOUND:
            raise RefusedError(answer)

    def close(self) -> None:
        """Close its connections."""
        self.http.close()
