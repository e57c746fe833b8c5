"""The `kubernetes` sandbox adapter on the real node: its images, its service account, and a bench of the contract suite."""

import contextlib
import dataclasses
import functools
import itertools
import json
import pathlib
import py_compile
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import cluster_fixtures
import cluster_node
import cluster_server
import oci_images
import providers_sandbox
import pytest

import workbenchx
from workbenchx.providers.sandbox.kubernetes import access, adapter, names, permissions, settings
from workbenchx.providers.storage import local as local_storage

PYTHON = pathlib.Path("/usr/bin/python3.11")
_LIBRARY = pathlib.Path("/usr/lib/python3.11")
_LEFT_OUT = ("idlelib", "lib2to3", "ensurepip", "distutils", "tkinter", "pydoc_data", "test")
_SHELL = (
    "cat chmod echo env false grep head id ln ls mkdir mkfifo printf pwd rm seq setsid sh sleep touch"
    " true wc"
)
_KIT = "workbenchx.providers.sandbox.kubernetes.inside.kit"
_NUMBERS = itertools.count(1)
_LABEL = "pod-security.kubernetes.io/enforce"


class Bench(providers_sandbox.Bench):
    """The adapter in a namespace of its own, under its own service account."""

    namespace: str
    cluster: cluster_server.Cluster
    made: list[adapter.KubernetesSandbox]
    pace = 6.0
    many = 2

    async def touch(self, name: str, path: str) -> None:
        """As the program's neighbour."""
        await self.inside(name, "touch", f"/wbx/box/work/{path}")

    async def inside(self, name: str, *command: str) -> bytes:
        """What a command in the program's container prints."""
        api = self.sandbox._client  # type: ignore[attr-defined]
        (pod,) = [
            each["metadata"]["name"]
            for each in self.cluster.admin.list("Pod", self.namespace)
            if each["metadata"]["labels"][names.SANDBOX] == name
        ]
        path = names.pods(self.namespace, pod)
        return b"".join([data async for data in api.execute(path, names.MAIN, command)])

    async def stored(self, text: str) -> list[str]:
        """Objects of the cluster, and files of the pod, that hold a text; the output does not count."""
        found = [
            f"{kind}/{item['metadata']['name']}"
            for kind in ("Job", "Pod", "Secret", "ConfigMap", "Event")
            for item in self.cluster.admin.list(kind, self.namespace)
            if text in json.dumps(item)
        ]
        for folder in ("work", "home", "tmp", "spec.json", "live.json"):
            script = f"grep -rl {text} /wbx/box/{folder} || true"
            found += (await self.inside("wbx-test-1", "sh", "-c", script)).decode().split()
        return found

    async def nothing_left(self, *, helpers: bool = False) -> None:
        """Claim: the namespace is as empty as before."""

        async def gone() -> bool:
            return not self.left()

        await providers_sandbox.until(gone)

    def left(self) -> list[str]:
        """What is there of sandboxes."""
        admin = self.cluster.admin
        where = f"/apis/networking.k8s.io/v1/namespaces/{self.namespace}/networkpolicies"
        listed = {
            **{kind: admin.list(kind, self.namespace) for kind in ("Job", "Pod", "Service")},
            "NetworkPolicy": admin.call("GET", where)["items"],
        }
        return [
            f"{kind}/{each['metadata']['name']}" for kind, found in listed.items() for each in found
        ]

    async def rest(self) -> None:
        """Close what is kept open for the next request."""
        for each in self.made:
            await each.aclose()


@contextlib.contextmanager
def bench(request: pytest.FixtureRequest, path: pathlib.Path, **more: Any) -> Iterator[Bench]:
    """The adapter on the node of this test process."""
    # Not by their fixtures, which are of one test: a module's sandbox outlives them.
    cluster = cluster_server.shared(request.config)
    node = cluster_node.shared(request.config, cluster)
    namespace = cluster_fixtures.new_namespace(cluster)
    cluster.admin.merge("Namespace", namespace, {"metadata": {"labels": {_LABEL: "restricted"}}})
    token = account(cluster, namespace)
    ours, theirs = images(node)
    values: dict[str, Any] = {"image": ours, "grace": 1.0, "keep": 600.0, **more}
    chosen = settings.Settings(**values)
    storage = local_storage.LocalStorage(path / "storage")
    found = access.Access(cluster.url, cluster.tls, namespace, token=token)
    installation = f"11111111-2222-3333-4444-{next(_NUMBERS):012}"
    made: list[adapter.KubernetesSandbox] = []

    def make() -> adapter.KubernetesSandbox:
        made.append(adapter.KubernetesSandbox(found, storage, installation, chosen))
        return made[-1]

    this = Bench(make(), storage, path, make, image=theirs, cpu=0.4)
    this.namespace, this.cluster, this.made = namespace, cluster, made
    try:
        yield this
    finally:
        cluster.admin.delete("Job", "", namespace, propagationPolicy="Background")
        cluster.admin.delete("Pod", "", namespace, gracePeriodSeconds="0")


def account(cluster: cluster_server.Cluster, namespace: str) -> str:
    """A service account that may do what the adapter says it must be able to, there and nowhere else: its token."""
    rbac = "rbac.authorization.k8s.io"
    head: dict[str, Any] = {
        "apiVersion": f"{rbac}/v1",
        "metadata": {"name": "sandboxes", "namespace": namespace},
    }
    subject = {"kind": "ServiceAccount", "name": "worker", "namespace": namespace}
    metadata = {"name": "worker", "namespace": namespace}
    cluster.admin.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    cluster.admin.create(head | {"kind": "Role", "rules": list(permissions.RULES)})
    role = {"apiGroup": rbac, "kind": "Role", "name": "sandboxes"}
    cluster.admin.create(head | {"kind": "RoleBinding", "roleRef": role, "subjects": [subject]})
    where = f"/api/v1/namespaces/{namespace}/serviceaccounts/worker/token"
    made = cluster.admin.call("POST", where, json={"spec": {"expirationSeconds": 7200}})
    return str(made["status"]["token"])


_pushed: dict[pathlib.Path, tuple[str, str]] = {}


def images(node: cluster_node.Node) -> tuple[str, str]:
    """Our own image, and one of a Runtime with a shell and Python; pushed once for each node."""
    if node.folder not in _pushed:
        base = system(node.tools["busybox"])
        ours = node.push("workbenchx", oci_images.make(base | _package()))
        theirs = node.push("runtime", oci_images.make(base))
        _pushed[node.folder] = ours, theirs
    return _pushed[node.folder]


def system(busybox: pathlib.Path) -> dict[str, bytes | str]:
    """A small system from files of this machine: a shell and Python."""
    if not PYTHON.exists():
        pytest.skip("needs Debian's Python 3.11: apt-get install python3.11")
    files: dict[str, bytes | str] = {f"bin/{name}": "busybox" for name in _SHELL.split()}
    files |= {"bin/busybox": busybox.read_bytes(), "usr/bin/python3.11": PYTHON.read_bytes()}
    files |= {f"usr/bin/{name}": "python3.11" for name in ("python", "python3")}
    for path in sorted(_LIBRARY.rglob("*")):
        parts = path.relative_to(_LIBRARY).parts
        left_out = parts[0] in _LEFT_OUT or parts[0].startswith("config-")
        if path.suffix in {".py", ".so"} and path.is_file() and not left_out:
            files[str(path).lstrip("/")] = path.read_bytes()
    for library in _libraries():
        files[str(library).lstrip("/")] = library.read_bytes()
    return files


def _libraries() -> set[pathlib.Path]:
    """What Python and its modules are linked with, and the loader."""
    found: set[pathlib.Path] = set()
    for program in (PYTHON, *(_LIBRARY / "lib-dynload").glob("*.so")):
        told = subprocess.run(["ldd", program], check=False, capture_output=True, text=True).stdout
        found |= {pathlib.Path(each) for each in re.findall(r"(/\S+\.so\S*)", told)}
    return found


@functools.cache
def _package() -> dict[str, bytes | str]:
    """Our own package, and what of the kit Python would compile at each start."""
    root = pathlib.Path(workbenchx.__file__).parent
    place = "usr/lib/python3/dist-packages"
    files: dict[str, bytes | str] = {
        f"{place}/{path.relative_to(root.parent)}": path.read_bytes() for path in root.rglob("*.py")
    }
    script = f"import {_KIT} as k, sys; [__import__(n) for n in (*k._LATE, *k.kits.MODULES.values())]; print('\\n'.join(m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)))"
    told = subprocess.run(
        [PYTHON, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(root.parent)},
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in sorted(each for each in told.stdout.split() if each.endswith(".py")):
            source, compiled = pathlib.Path(name), pathlib.Path(folder, "compiled")
            inner = (
                f"{place}/{source.relative_to(root.parent)}"
                if source.is_relative_to(root.parent)
                else name.lstrip("/")
            )
            head, _, tail = inner.rpartition("/")
            _compile(source, compiled)
            files[f"{head}/__pycache__/{tail.removesuffix('.py')}.cpython-311.pyc"] = (
                compiled.read_bytes()
            )
    return files


def _compile(source: pathlib.Path, target: pathlib.Path) -> None:
    """As Debian's Python of the image reads it, and never looks at its time."""
    assert sys.version_info[:2] == (3, 11) or pytest.skip("needs Python 3.11 as the image's")
    py_compile.compile(
        str(source), str(target), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )


def impatient(bench: Bench) -> settings.Settings:
    """The bench's settings, with little patience."""
    chosen: settings.Settings = bench.made[0]._chosen
    return dataclasses.replace(chosen, patience=3.0)
