"""A Kubernetes control plane for a test session: etcd and an API server with RBAC, and the controllers when asked for.

`shared` starts it once for a test process. Everything lies in one folder and ends with the session (keeper.py).
"""

import os
import pathlib
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable
from typing import Any, TypeVar

import cluster_client
import cluster_keys
import cluster_programs
import keeper
import pytest
import tree
import yaml

from workbenchx.api import registry

BUILD = (
    "python tests/support/cluster_programs.py builds it from source (Go 1.26; once, some minutes)"
)
SERVICES = "10.0.0.0/24"
_USERS = {
    "admin": ("admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "kube-proxy": ("system:kube-proxy", ""),
}
_HOSTS = ("127.0.0.1", "localhost", "kubernetes.default.svc", "10.0.0.1")
_Found = TypeVar("_Found")


def need(name: str) -> pathlib.Path:
    """The path of a program of the cluster; where it is missing the test is skipped (in CI: fails)."""
    found = cluster_programs.find(name)
    if found is None:
        pytest.skip(f"needs {name}: {BUILD}")
    return found


def until(what: str, look: Callable[[], _Found | None], *, timeout: float = 180) -> _Found:
    """Poll until `look` answers something true; fails saying `what` was waited for."""
    deadline = time.monotonic() + timeout
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain: {what}")
        time.sleep(0.02)
    return found


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody uses at the moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


class Cluster:
    """A control plane. `start_api` and `stop_api` are for tests of faults; data stays in etcd."""

    def __init__(self) -> None:
        self.programs = {name: need(name) for name in ("etcd", "kube-apiserver")}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="wbx-k8s-"))
        self.keeper = keeper.Keeper(self.folder)
        self._client_port, self._peer_port, self.port = free_ports(3)
        self.url = f"https://127.0.0.1:{self.port}"
        authority = cluster_keys.Authority(self.folder)
        authority.certify("apiserver", "kube-apiserver", hosts=_HOSTS)
        authority.certify("to-kubelet", "kube-apiserver", group="system:masters")
        cluster_keys.write_key(self.folder / "accounts.key")
        self.authority = authority
        self.tokens = cluster_keys.write_tokens(self.folder / "tokens.csv", _USERS)
        self.tls = ssl.create_default_context(cafile=str(authority.certificate))
        self.admin = self.client(self.tokens["admin"])
        self.kinds: tuple[str, ...] = ()
        self.controlled = False

    def start(self) -> None:
        """Start etcd and the API server, and wait until it is ready."""
        self.keeper.start("etcd", [self.programs["etcd"], *self._etcd_flags()])
        self.start_api()

    def start_api(self) -> None:
        """Start the API server, and wait until it is ready."""
        self.keeper.start("apiserver", [self.programs["kube-apiserver"], *self._api_flags()])
        until("the API server is ready", self._ready)
        until("every kind is served", lambda: all(served(self, kind) for kind in self.kinds))

    def start_controllers(self) -> None:
        """Start the controller manager and the scheduler, where they do not run; they have their own service accounts."""
        if self.controlled:
            return
        self.controlled = True
        for name in ("kube-controller-manager", "kube-scheduler"):
            config = self.kubeconfig(self.tokens[name], name=name)
            flags = [f"--kubeconfig={config}", "--leader-elect=false", "--secure-port=0"]
            more = self._controller_flags() if name == "kube-controller-manager" else []
            self.keeper.start(name, [need(name), *flags, *more])

    def stop_api(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop the API server, or kill it."""
        self.keeper.stop("apiserver", how)

    def client(self, token: str) -> cluster_client.Client:
        """A client that speaks as the owner of a token."""
        return cluster_client.Client(self.url, self.tls, token)

    def service_account(
        self, namespace: str, name: str, rules: list[dict[str, Any]]
    ) -> cluster_client.Client:
        """A client that speaks as a new service account, which may do what the rules say, in all namespaces."""
        rbac, whole = "rbac.authorization.k8s.io", f"{namespace}-{name}"
        head = {"apiVersion": f"{rbac}/v1", "metadata": {"name": whole}}
        role = {"apiGroup": rbac, "kind": "ClusterRole", "name": whole}
        who = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        metadata = {"name": name, "namespace": namespace}
        self.admin.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        self.admin.apply(head | {"kind": "ClusterRole", "rules": rules})
        self.admin.apply(head | {"kind": "ClusterRoleBinding", "roleRef": role, "subjects": [who]})
        where = cluster_client.path("ServiceAccount", namespace, name)
        made = self.admin.call("POST", f"{where}/token", json={"spec": {"expirationSeconds": 3600}})
        return self.client(str(made["status"]["token"]))

    def kubeconfig(
        self, token: str, *, name: str = "admin", namespace: str = "default"
    ) -> pathlib.Path:
        """A kubeconfig file for a token."""
        one = {"cluster": "test", "user": "test", "namespace": namespace}
        path = self.folder / f"{name}.kubeconfig"
        path.touch(mode=0o600)
        certificate = str(self.authority.certificate)
        server = {"server": self.url, "certificate-authority": certificate}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": server}],
            "users": [{"name": "test", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": one}],
            "current-context": "test",
        }
        path.write_text(yaml.safe_dump(document))
        return path

    def kubectl(
        self, *arguments: str | pathlib.Path, stdin: str | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """One kubectl command as the administrator, to its end."""
        own = {"KUBECONFIG": str(self.kubeconfig(self.admin.token)), "HOME": str(self.folder)}
        return subprocess.run(
            [need("kubectl"), *arguments],
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"} | own,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def close(self) -> None:
        """End it and remove its folder."""
        self.admin.close()
        self.keeper.close()

    def _ready(self) -> bool:
        for name in ("etcd", "apiserver"):
            if self.keeper.ended(name) is not None:
                raise AssertionError(f"{name} ended:\n{self.keeper.log(name)}")
        try:
            return self.admin.request("GET", "/readyz").is_success
        except cluster_client.UNREACHABLE:
            return False

    def _controller_flags(self) -> list[str]:
        return [
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={self.folder / 'accounts.key'}",
            f"--root-ca-file={self.authority.certificate}",
            "--node-monitor-period=2s",
        ]

    def _etcd_flags(self) -> list[str]:
        client, peer = (f"http://127.0.0.1:{port}" for port in (self._client_port, self._peer_port))
        return [
            "--unsafe-no-fsync",
            "--log-level=warn",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ]

    def _api_flags(self) -> list[str]:
        files = self.folder
        return [
            f"--etcd-servers=http://127.0.0.1:{self._client_port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--secure-port={self.port}",
            f"--service-cluster-ip-range={SERVICES}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--token-auth-file={files / 'tokens.csv'}",
            f"--client-ca-file={self.authority.certificate}",
            f"--tls-cert-file={files / 'apiserver.crt'}",
            f"--tls-private-key-file={files / 'apiserver.key'}",
            f"--kubelet-certificate-authority={self.authority.certificate}",
            f"--kubelet-client-certificate={files / 'to-kubelet.crt'}",
            f"--kubelet-client-key={files / 'to-kubelet.key'}",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={files / 'accounts.key'}",
            f"--service-account-signing-key-file={files / 'accounts.key'}",
            "--profiling=false",
        ]


_kept: list[Cluster] = []


def shared(config: pytest.Config) -> Cluster:
    """The cluster of this test process, with our kinds; it ends with the session."""
    if not _kept:
        cluster = Cluster()
        config.add_cleanup(cluster.close)
        cluster.start()
        apply_definitions(cluster)
        _kept.append(cluster)
    return _kept[0]


def let_go() -> None:
    """End the cluster of this test process; who needs one later gets another."""
    while _kept:
        _kept.pop().close()


def definitions() -> list[dict[str, Any]]:
    """The documents of crds/."""
    paths = sorted(path for path in tree.under("crds", ".yaml") if path.stem != "kustomization")
    return [yaml.safe_load(tree.read(path)) for path in paths]


def apply_definitions(cluster: Cluster) -> None:
    """Apply our kinds server-side, and wait until the API server serves each."""
    for document in definitions():
        cluster.admin.apply(document, manager="crds")
    cluster.kinds = tuple(registry.KINDS)
    until("every kind is served", lambda: all(served(cluster, kind) for kind in cluster.kinds))


def served(cluster: Cluster, kind: str) -> bool:
    """Whether the API server answers for a kind: established, and its storage is ready."""
    where = cluster_client.path(kind)
    return cluster.admin.request("GET", where, params={"limit": "1"}).is_success
