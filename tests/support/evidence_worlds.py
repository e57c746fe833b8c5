"""Everywhere that the code of the sample may run: this machine, the emulators, the node. And one installation for each."""

import contextlib
import dataclasses
import functools
import pathlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cli_wbx
import cluster_fixtures
import cluster_node
import cluster_sandbox
import cluster_server
import evidence
import evidence_sample
import git_lab
import pytest
import store_server
import vercel_emulator
import yaml

LONG = 1500.0
"""Seconds that a command may take on a machine that does many other things."""
REFUSED = """
  select kind, name, reason, message from ops.resources
  where ready = 'False' and reason <> 'Stopped' order by kind, name
"""
_TIMES = 3


@dataclasses.dataclass(frozen=True)
class Lived:
    """What came of it. `changed`: what git says of the change; `code`, `said`: of `wbx up --once`."""

    changed: str
    code: int
    said: str
    told: Mapping[str, Sequence[str]]
    refused: Sequence[evidence.Row]


@dataclasses.dataclass(frozen=True)
class Place:
    """A SandboxProvider: its settings and its image in a Runtime; what its worker is told, and where it has to run."""

    name: str
    adapter: str
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    image: str | None = None
    environ: Mapping[str, str] = dataclasses.field(default_factory=dict)
    inside: Sequence[str] = ()

    def live(self, base: pathlib.Path, folder: pathlib.Path) -> Lived:
        """The sample with one line changed, until it settled; then its session is stopped. Again if the machine was too slow."""
        for attempt in range(1, _TIMES + 1):
            root = copied(base, folder / f"{self.adapter}-{attempt}", self.name)
            bench = Bench(root, store_server.reachable(root.parent) / "home", self)
            try:
                lived = _lived(bench)
                if not evidence.disturbed(functools.partial(evidence.rows, bench)):
                    return lived
            finally:
                bench.run("up", "--stop", timeout=LONG)
        raise AssertionError(f"{self.name}: its runs were disturbed {_TIMES} times:\n{lived.said}")


def copied(base: pathlib.Path, folder: pathlib.Path, name: str) -> pathlib.Path:
    """A copy of the repository that names this SandboxProvider."""
    root = folder / "repository"
    shutil.copytree(base, root)
    evidence_sample.name_provider(root, name)
    return root


HERE = Place("this-machine", "local")


@contextlib.contextmanager
def vercel(folder: pathlib.Path) -> Iterator[Place]:
    """Vercel."""
    with vercel_emulator.running(folder) as emulator:
        yield of_vercel(emulator)


def of_vercel(emulator: vercel_emulator.Emulator) -> Place:
    """A project of the emulator."""
    environ = {
        "VERCEL_TOKEN": vercel_emulator.TOKEN,
        "VERCEL_TEAM_ID": vercel_emulator.TEAM,
        "VERCEL_PROJECT_ID": vercel_emulator.PROJECT,
    }
    settings = {"region": "iad1", "grace": "2s", "api": emulator.url}
    return Place("vercel-sandbox", "vercel_sandbox", settings, environ=environ)


@contextlib.contextmanager
def kubernetes(config: pytest.Config, folder: pathlib.Path) -> Iterator[Place]:
    """A namespace of the test's cluster. The worker is on the node, where the addresses of Services lead somewhere."""
    cluster = cluster_server.shared(config)
    node = cluster_node.shared(config, cluster)
    namespace = cluster_fixtures.new_namespace(cluster)
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    cluster.admin.merge("Namespace", namespace, label)
    ours, theirs = cluster_sandbox.images(node)
    access = folder / "kubeconfig"
    access.write_text(_kubeconfig(cluster, namespace))
    inside = ("nsenter", f"--net=/proc/{node.keeper.pid}/ns/net", "--")
    settings = {"image": ours, "grace": 1.0, "patience": 600.0}
    try:
        yield Place("cluster", "kubernetes", settings, theirs, {"KUBECONFIG": str(access)}, inside)
    finally:
        cluster.admin.delete("Job", "", namespace, propagationPolicy="Background")
        cluster.admin.delete("Pod", "", namespace, gracePeriodSeconds="0")


def _kubeconfig(cluster: cluster_server.Cluster, namespace: str) -> str:
    """The access of a worker: the API server by its Service, as the account that a sandbox provider needs."""
    server = {
        "server": f"https://{cluster_server.SERVICES.replace('.0/24', '.1')}",
        "certificate-authority": str(cluster.authority.certificate),
    }
    token = cluster_sandbox.account(cluster, namespace)
    context = {"cluster": "test", "user": "worker", "namespace": namespace}
    return yaml.safe_dump(
        {
            "clusters": [{"name": "test", "cluster": server}],
            "users": [{"name": "worker", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": context}],
            "current-context": "test",
        }
    )


@dataclasses.dataclass(frozen=True)
class Bench(cli_wbx.Workbench):
    """An installation where nothing stands in, with the credentials of one place."""

    place: Place = HERE

    @property
    def extra(self) -> dict[str, str]:
        """What `wbx` is told by its environment. No other cluster is found by accident."""
        none = {"KUBECONFIG": str(self.home / "none"), "WBX_STAND_IN": "none"}
        return super().extra | none | dict(self.place.environ)

    @property
    def inside(self) -> Sequence[str]:
        """Where its worker runs."""
        return self.place.inside


def _lived(bench: Bench) -> Lived:
    done = bench.run("up", "--once", timeout=LONG)
    bench.ok("session", "stop", "notebook", "--namespace", "penguins", timeout=LONG)
    ask = functools.partial(evidence.rows, bench)
    return Lived(
        git_lab.run("diff", "--numstat", at=bench.root),
        done.returncode,
        done.stdout + done.stderr,
        evidence.told(ask, changed=evidence_sample.CHANGED),
        ask(REFUSED),
    )
