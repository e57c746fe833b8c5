"""Fixtures of tests against a real API server: import what a test file needs."""

import itertools
import os
from collections.abc import Iterator

import cluster_node
import cluster_server
import pytest

from workbenchx.api import registry

_numbers = itertools.count(1)


@pytest.fixture
def cluster(pytestconfig: pytest.Config) -> Iterator[cluster_server.Cluster]:
    """The cluster of this test process: it has our kinds, and none of their objects before and after a test."""
    found = cluster_server.shared(pytestconfig)
    yield found
    sweep(found)


@pytest.fixture
def node(pytestconfig: pytest.Config, cluster: cluster_server.Cluster) -> cluster_node.Node:
    """The real node of the cluster of this test process: pods run on it."""
    return cluster_node.shared(pytestconfig, cluster)


@pytest.fixture
def namespace(cluster: cluster_server.Cluster) -> str:
    """A namespace of this test's own: its name."""
    return new_namespace(cluster)


def new_namespace(cluster: cluster_server.Cluster) -> str:
    """One more namespace: its name. Where the controllers run, pods can be made in it."""
    name = f"t{os.getpid()}-{next(_numbers)}"
    document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    cluster.admin.create(document)
    if cluster.controlled:
        account = cluster_server.until(
            f"{name} has its service account",
            lambda: cluster.admin.get("ServiceAccount", "default", name),
        )
        assert account["metadata"]["namespace"] == name
    return name


def sweep(cluster: cluster_server.Cluster) -> None:
    """Remove every object of our kinds, those that hold a finalizer of an operator that is gone included."""
    for kind in registry.KINDS:
        for item in cluster.admin.list(kind):
            metadata = item["metadata"]
            name, space = metadata["name"], metadata.get("namespace", "")
            if metadata.get("finalizers"):
                cluster.admin.merge(kind, name, {"metadata": {"finalizers": None}}, space)
            cluster.admin.delete(kind, name, space)
