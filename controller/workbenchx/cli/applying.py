"""Manifests into a cluster: server-side apply, object by object, as often as one likes."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import httpx

from workbenchx import errors
from workbenchx.cli import failure, installing
from workbenchx.operator import kubeconfig

MANAGER = "wbx-install"
POLL_SECONDS = 0.5
_CRD_SECONDS = 60.0
_CORE = {
    "ConfigMap": "configmaps",
    "Namespace": "namespaces",
    "Secret": "secrets",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
}
_OTHERS = {
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "CustomResourceDefinition": "customresourcedefinitions",
    "Deployment": "deployments",
    "Job": "jobs",
    "NetworkPolicy": "networkpolicies",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "Role": "roles",
    "RoleBinding": "rolebindings",
}
Change = Literal["created", "changed", "unchanged", "replaced"]


class Cluster:
    """One API server, as whoever the kubeconfig names."""

    def __init__(self, access: kubeconfig.Access) -> None:
        self.server = access.server
        token = access.token
        self._http = httpx.Client(
            base_url=access.server,
            verify=access.tls,
            trust_env=False,
            timeout=30,
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, where: str) -> dict[str, Any] | None:
        """An object; None: it is not there."""
        answer = self._send("GET", where)
        return None if answer.status_code == httpx.codes.NOT_FOUND else _body(answer, where)

    def apply(self, document: installing.Document) -> Change:
        """One object as it is to be. A Job cannot be changed: one that is to be another is made anew.

        Raises:
            failure.Failure: the API server refuses.
        """
        where = path(document)
        before = self.get(where)
        answer = self._patch(where, document)
        if answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY and document["kind"] == "Job":
            self._remove(where)
            _body(self._patch(where, document), where)
            return "replaced"
        after = _body(answer, where)
        if before is None:
            return "created"
        return "unchanged" if _plain(before) == _plain(after) else "changed"

    def _patch(self, where: str, document: installing.Document) -> httpx.Response:
        return self._send(
            "PATCH",
            where,
            content=json.dumps(document),
            headers={"Content-Type": "application/apply-patch+yaml"},
            params={"fieldManager": MANAGER, "force": "true", "fieldValidation": "Strict"},
        )

    def _remove(self, where: str) -> None:
        """Delete, with what it made, and wait until it is gone."""
        self._send("DELETE", where, params={"propagationPolicy": "Background"})
        deadline = time.monotonic() + _CRD_SECONDS
        while self.get(where) is not None:
            if time.monotonic() > deadline:
                raise failure.Failure(f"{where}: it does not go away")
            time.sleep(POLL_SECONDS)

    def _send(self, method: str, where: str, **more: Any) -> httpx.Response:
        try:
            return self._http.request(method, where, **more)
        except httpx.TransportError as error:
            raise errors.Waiting(
                f'cluster: "{self.server}" does not answer: {error}', reason="ClusterUnavailable"
            ) from error


def path(document: installing.Document) -> str:
    """Where an object is."""
    kind, namespace, name = installing.identity(document)
    version = document["apiVersion"]
    root = f"/api/{version}" if kind in _CORE else f"/apis/{version}"
    plural = _CORE.get(kind) or _OTHERS[kind]
    inside = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{inside}/{plural}/{name}"


def apply_all(
    cluster: Cluster, documents: Sequence[installing.Document]
) -> Iterator[tuple[str, Change]]:
    """Each object in turn, and what became of it. Kinds of ours are there before anything needs them."""
    for document in documents:
        kind, namespace, name = installing.identity(document)
        change = cluster.apply(document)
        if kind == "CustomResourceDefinition":
            _until_established(cluster, document)
        yield f"{kind}/{f'{namespace}/' if namespace else ''}{name}", change


def wait(
    cluster: Cluster,
    documents: Sequence[installing.Document],
    seconds: float,
    told: Callable[[str], None],
) -> None:
    """Until every Job is complete and every Deployment available, telling each.

    Raises:
        failure.Failure: time is over; what is missing is named.
    """
    left = [each for each in documents if each["kind"] in _DONE]
    deadline = time.monotonic() + seconds
    while left:
        for each in list(left):
            if _is_done(each["kind"], cluster.get(path(each))):
                told(f"{each['kind']}/{each['metadata']['name']}: {_DONE[each['kind']]}")
                left.remove(each)
        if left and time.monotonic() > deadline:
            names = ", ".join(f"{each['kind']}/{each['metadata']['name']}" for each in left)
            raise failure.Failure(
                f"not ready after {seconds:g} s: {names}",
                hint="kubectl -n wbx-system get pods shows why; the same command goes on",
            )
        if left:
            time.sleep(POLL_SECONDS)


_DONE = {"Job": "Complete", "Deployment": "Available"}


def _is_done(kind: str, found: dict[str, Any] | None) -> bool:
    """A Job that is gone was complete: it is removed some minutes after its end. A Deployment is of this generation."""
    if found is None:
        return kind == "Job"
    status = found.get("status", {})
    if kind == "Deployment" and status.get("observedGeneration") != found["metadata"]["generation"]:
        return False
    wanted = found["spec"].get("replicas", 1)
    if kind == "Deployment" and status.get("updatedReplicas", 0) < wanted:
        return False
    return _holds(status, _DONE[kind])


def _holds(status: dict[str, Any], condition: str) -> bool:
    return any(
        each["type"] == condition and each["status"] == "True"
        for each in status.get("conditions", [])
    )


def _until_established(cluster: Cluster, document: installing.Document) -> None:
    deadline = time.monotonic() + _CRD_SECONDS
    while not _holds((cluster.get(path(document)) or {}).get("status", {}), "Established"):
        if time.monotonic() > deadline:
            raise failure.Failure(
                f"{document['metadata']['name']}: the API server does not take it up"
            )
        time.sleep(0.05)


def _plain(found: dict[str, Any]) -> dict[str, Any]:
    """What is said of it, without the server's book-keeping and what others report meanwhile."""
    book = {"resourceVersion", "managedFields"}
    metadata = {name: value for name, value in found["metadata"].items() if name not in book}
    return {**found, "metadata": metadata, "status": None}


def _body(answer: httpx.Response, where: str) -> dict[str, Any]:
    """The object in an answer.

    Raises:
        failure.Failure: it is a refusal.
    """
    try:
        found: dict[str, Any] = answer.json()
    except ValueError:
        found = {}
    if answer.is_success:
        return found
    told = found.get("message") or answer.text[:200]
    hint = "log in to the cluster again" if answer.status_code == httpx.codes.UNAUTHORIZED else ""
    raise failure.Failure(f"{where}: {told}", hint=hint)
