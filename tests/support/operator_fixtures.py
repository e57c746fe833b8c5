"""Fixtures of the operator's tests: import what a test file needs."""

import pathlib
from collections.abc import Iterator

import cluster_server
import operator_lab
import operator_proxy
import pytest

from workbenchx.store import embedded


@pytest.fixture
def lab(
    cluster: cluster_server.Cluster,
    namespace: str,
    server: embedded.Server,
    database: str,
    tmp_path: pathlib.Path,
) -> Iterator[operator_lab.Lab]:
    """A cluster, a namespace, a database of this test's own, and the operator's service account."""
    made = operator_lab.Lab(cluster, namespace, server.url_for("wbx_engine", database), tmp_path)
    yield made
    made.account.close()


@pytest.fixture
def proxy(lab: operator_lab.Lab) -> Iterator[operator_proxy.Proxy]:
    """A misbehaving API server that the operator of this test talks to."""
    made = operator_proxy.Proxy(lab.cluster)
    with made.serving():
        lab.point_at(made.url)
        yield made
