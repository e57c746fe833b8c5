"""Whose API server, and as whom: the service account of this pod, or a kubeconfig file.

Plain reading of the two common forms: tokens, token files and client certificates. A kubeconfig that runs a program to
sign in is refused with a word, since a worker in a cluster has a service account.
"""

import base64
import dataclasses
import os
import pathlib
import ssl
import tempfile
from typing import Any

import yaml

from workbenchx import errors

_ACCOUNT = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclasses.dataclass(frozen=True, slots=True)
class Access:
    """Where the API server is, and what is shown to it. `namespace`: the one that is meant where none is said."""

    url: str
    tls: ssl.SSLContext
    namespace: str
    token: str | None = None
    token_file: pathlib.Path | None = None

    def headers(self) -> dict[str, str]:
        """What each request carries. The token file is read each time: the kubelet renews it."""
        token = self.token
        if self.token_file is not None:
            token = self.token_file.read_text("utf-8").strip()
        return {"Authorization": f"Bearer {token}"} if token else {}


def find(kubeconfig: str | None = None) -> Access:
    """The access of this process: the file that is named, this pod's account, `KUBECONFIG`, `~/.kube/config`.

    Raises:
        errors.Stalled: reason ProviderUnavailable: there is none, or it cannot be used.
    """
    try:
        if kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            return _of_pod(_ACCOUNT)
        named = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
        return _of_file(pathlib.Path(named).expanduser())
    except (OSError, KeyError, IndexError, TypeError, ValueError, yaml.YAMLError) as problem:
        raise errors.Stalled(
            f"kubernetes: no way to an API server: {problem!r}; run in a cluster with a service"
            " account, or let KUBECONFIG name a kubeconfig file",
            reason="ProviderUnavailable",
        ) from problem


def _of_pod(account: pathlib.Path) -> Access:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    shown = f"[{host}]" if ":" in host else host
    return Access(
        url=f"https://{shown}:{port}",
        tls=ssl.create_default_context(cafile=str(account / "ca.crt")),
        namespace=(account / "namespace").read_text("utf-8").strip(),
        token_file=account / "token",
    )


def _of_file(path: pathlib.Path) -> Access:
    document = yaml.safe_load(path.read_text("utf-8"))
    context = _named(document["contexts"], document["current-context"])["context"]
    cluster = _named(document["clusters"], context["cluster"])["cluster"]
    user = _named(document["users"], context["user"])["user"]
    if "exec" in user or "auth-provider" in user:
        raise ValueError(f'user "{context["user"]}" signs in by a program, which is not supported')
    token_file = user.get("tokenFile")
    return Access(
        url=str(cluster["server"]).rstrip("/"),
        tls=_tls(cluster, user, path.parent),
        namespace=context.get("namespace") or "default",
        token=user.get("token"),
        token_file=pathlib.Path(path.parent, token_file) if token_file else None,
    )


def _named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in items if item["name"] == name)


def _tls(cluster: dict[str, Any], user: dict[str, Any], folder: pathlib.Path) -> ssl.SSLContext:
    if cluster.get("insecure-skip-tls-verify"):
        raise ValueError("insecure-skip-tls-verify is not supported")
    data = cluster.get("certificate-authority-data")
    file = cluster.get("certificate-authority")
    tls = ssl.create_default_context(
        cafile=str(folder / file) if file else None,
        cadata=base64.b64decode(data).decode() if data else None,
    )
    with tempfile.TemporaryDirectory() as held:
        chain = [
            _pem(user, part, folder, pathlib.Path(held))
            for part in ("client-certificate", "client-key")
        ]
        if all(chain):
            tls.load_cert_chain(*(str(each) for each in chain))
    return tls


def _pem(
    user: dict[str, Any], part: str, folder: pathlib.Path, held: pathlib.Path
) -> pathlib.Path | None:
    if data := user.get(f"{part}-data"):
        path = held / part
        path.touch(mode=0o600)
        path.write_bytes(base64.b64decode(data))
        return path
    return folder / user[part] if part in user else None
