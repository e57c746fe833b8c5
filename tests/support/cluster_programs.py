"""The programs of a real Kubernetes: built from the Go modules in tests/cluster, or taken from KUBEBUILDER_ASSETS.

`python tests/support/cluster_programs.py [NAME ...]` builds what is missing. A test never builds: it would look like a hang.
"""

import os
import pathlib
import re
import sys

import go_programs

MODULES = pathlib.Path(__file__).parent.parent / "cluster"
_OF_KUBERNETES = (
    "kube-apiserver",
    "kubectl",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
)


def version() -> str:
    """The version of Kubernetes that is pinned, such as v1.36.3."""
    text = (MODULES / "kubernetes" / "go.mod").read_text(encoding="utf-8")
    found = re.search(r"^\s*k8s\.io/kubernetes (v\S+)", text, re.MULTILINE)
    if found is None:
        raise LookupError("tests/cluster/kubernetes/go.mod requires no k8s.io/kubernetes")
    return found[1]


def _stamps() -> tuple[tuple[str, str], ...]:
    """Without these a server calls itself v0.0.0, and clients balk."""
    full = version()
    major, minor, _ = full.removeprefix("v").split(".")
    said = {"gitVersion": full, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return tuple((f"k8s.io/component-base/version.{name}", value) for name, value in said.items())


def programs() -> dict[str, go_programs.Program]:
    """Every program by name, in the order in which tests need them."""
    kubernetes, stamps = MODULES / "kubernetes", _stamps()
    of_kubernetes = [
        go_programs.Program(name, f"k8s.io/kubernetes/cmd/{name}", kubernetes, stamps)
        for name in _OF_KUBERNETES
    ]
    etcd = go_programs.Program("etcd", "go.etcd.io/etcd/server/v3", MODULES / "etcd")
    kwok = go_programs.Program("kwok", "sigs.k8s.io/kwok/cmd/kwok", MODULES / "kwok")
    kstatus = go_programs.Program("kstatus", ".", MODULES / "kstatus")
    return {program.name: program for program in (etcd, *of_kubernetes, kwok, kstatus)}


def find(name: str) -> pathlib.Path | None:
    """Where a program lies: in KUBEBUILDER_ASSETS where that is set and has it, else in the cache; None: nowhere."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    candidates = [pathlib.Path(assets) / name] if assets else []
    candidates.append(programs()[name].path)
    return next((path for path in candidates if path.is_file()), None)


def main(names: list[str]) -> None:
    """Build what is missing."""
    for name in names or programs():
        found = find(name) or go_programs.build(programs()[name])
        sys.stdout.write(f"{name}: {found}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
