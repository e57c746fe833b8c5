"""Flux's kustomize-controller beside us: it gets the same files as an artifact that is ready, and says when it has applied them.

Nothing of a source-controller runs: the bench writes what that would have written of a GitRepository, and serves its
archive. The controller's own limits are lifted (queries a second, 16 applies at the same time), nothing else of it changed.
"""

import contextlib
import datetime
import functools
import hashlib
import os
import pathlib
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http import server
from typing import Any

import cluster_site
import peers
import yaml

GROUP, KUSTOMIZE = "source.toolkit.fluxcd.io", "kustomize.toolkit.fluxcd.io"
NAME = "bench"
_WAIT = 900.0
_SOURCES = {
    "GitRepository": "gitrepositories",
    "OCIRepository": "ocirepositories",
    "Bucket": "buckets",
}
_FLAGS = (
    "--metrics-addr=127.0.0.1:0",
    "--health-addr=127.0.0.1:0",
    "--kube-api-qps=100000",
    "--kube-api-burst=100000",
    "--concurrent-ssa=16",
    "--no-cross-namespace-refs=true",
    "--no-remote-bases=true",
)


class Flux:
    """A controller that runs, with one Kustomization of one GitRepository whose artifact is ours."""

    def __init__(self, site: cluster_site.Site, folder: pathlib.Path, url: str) -> None:
        self._admin = site.lab.cluster.admin
        self._folder, self._url = folder, url

    def brought(self, revision: str) -> float:
        """Seconds from the artifact's new revision to the Kustomization that has applied it and is Ready."""
        data = (self._folder / "artifact.tar.gz").read_bytes()
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        artifact = {
            "digest": f"sha256:{hashlib.sha256(data).hexdigest()}",
            "path": "artifact.tar.gz",
            "url": f"{self._url}/artifact.tar.gz",
            "revision": revision,
            "lastUpdateTime": now,
            "size": len(data),
        }
        begun = time.perf_counter()
        self._admin.call(
            "PATCH",
            f"{_place('GitRepository')}/status",
            json={"status": {"artifact": artifact}},
            headers={"Content-Type": "application/merge-patch+json"},
        )
        while not self._applied(revision):
            assert time.perf_counter() - begun < _WAIT, self.told()
            time.sleep(0.1)
        return time.perf_counter() - begun

    def told(self) -> Any:
        """The status of the Kustomization."""
        return self._admin.call("GET", _place("Kustomization")).get("status", {})

    def _applied(self, revision: str) -> bool:
        status = self.told()
        ready = [each for each in status.get("conditions", ()) if each["type"] == "Ready"]
        return (
            status.get("lastAppliedRevision") == revision
            and bool(ready)
            and ready[0]["status"] == "True"
        )


@contextlib.contextmanager
def running(site: cluster_site.Site, program: pathlib.Path, tree: pathlib.Path) -> Iterator[Flux]:
    """A controller that knows of a Kustomization of the files in `tree`, whose source is not ready yet."""
    folder = site.home / "flux"
    folder.mkdir()
    with tarfile.open(folder / "artifact.tar.gz", "w:gz", compresslevel=1) as archive:
        archive.add(tree, arcname=".")
    _define(site)
    with _served(folder) as url:
        made = Flux(site, folder, url)
        _declare(site)
        with _controller(site, program, folder):
            _until(lambda: made.told().get("conditions"), folder)
            yield made


def _until(look: Callable[[], Any], folder: pathlib.Path) -> None:
    until = time.monotonic() + _WAIT
    while not look():
        assert time.monotonic() < until, (folder / "log").read_text("utf-8", "replace")[-4000:]
        time.sleep(0.05)


@contextlib.contextmanager
def _controller(
    site: cluster_site.Site, program: pathlib.Path, folder: pathlib.Path
) -> Iterator[None]:
    cluster = site.lab.cluster
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "KUBECONFIG": str(cluster.kubeconfig(cluster.admin.token)),
        "RUNTIME_NAMESPACE": "default",
    }
    with (folder / "log").open("wb") as log:
        popen = subprocess.Popen(
            [program, *_FLAGS], cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield
        finally:
            popen.kill()
            popen.wait()


def _define(site: cluster_site.Site) -> None:
    """Its own definition of a Kustomization, as its module has it, and the least that its sources need."""
    admin = site.lab.cluster.admin
    path = (
        peers.folder("kustomize-controller") / f"config/crd/bases/{KUSTOMIZE}_kustomizations.yaml"
    )
    admin.apply(yaml.safe_load(path.read_text("utf-8")))
    for kind, plural in _SOURCES.items():
        admin.apply(_definition(kind, plural))
    places = [_place("Kustomization", ""), *(_place(kind, "") for kind in _SOURCES)]
    for place in places:
        _until(functools.partial(_serves, site, place), site.home)


def _serves(site: cluster_site.Site, place: str) -> bool:
    return bool(site.lab.cluster.admin.request("GET", place).is_success)


def _definition(kind: str, plural: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "listKind": f"{kind}List"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                }
            ],
        },
    }


def _declare(site: cluster_site.Site) -> None:
    source = {"kind": "GitRepository", "name": NAME}
    git = {"url": "https://git.example.org/team/bench.git", "interval": "1h"}
    spec = {"sourceRef": source, "path": "./", "prune": True, "interval": "1h"}
    _create(site, "GitRepository", f"{GROUP}/v1", git)
    _create(site, "Kustomization", f"{KUSTOMIZE}/v1", spec)


def _create(site: cluster_site.Site, kind: str, version: str, spec: Mapping[str, Any]) -> None:
    document = {"apiVersion": version, "kind": kind, "metadata": {"name": NAME}, "spec": spec}
    site.lab.cluster.admin.call("POST", _place(kind, ""), json=document)


def _place(kind: str, name: str = NAME) -> str:
    group, plural = (
        (KUSTOMIZE, "kustomizations") if kind == "Kustomization" else (GROUP, _SOURCES[kind])
    )
    return f"/apis/{group}/v1/namespaces/default/{plural}/{name}".rstrip("/")


class _Handler(server.SimpleHTTPRequestHandler):
    """The archive, and nothing printed."""

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextlib.contextmanager
def _served(folder: pathlib.Path) -> Iterator[str]:
    handler = functools.partial(_Handler, directory=str(folder))
    listening = server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}"
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
