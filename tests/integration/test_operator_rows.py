"""The operator and kinds that are rows alone, on a real API server."""

import random

import operator_lab
import yaml
from cluster_fixtures import cluster, namespace
from operator_fixtures import lab
from store_fixtures import database, server
from tree import ROOT

from workbenchx.api import registry

__all__ = ["cluster", "database", "lab", "namespace", "server"]


def _sample(lab: operator_lab.Lab) -> list[dict[str, object]]:
    """The documents of ssot/ in any order; their namespaces are made."""
    documents = [
        document
        for path in sorted((ROOT / "ssot").rglob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text("utf-8"))
        if document
    ]
    for space in {item["metadata"].get("namespace") for item in documents} - {None}:
        head = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}
        lab.cluster.admin.apply(head)
    random.shuffle(documents)
    return documents


def test_the_sample_applied_in_any_order_becomes_ready(lab: operator_lab.Lab) -> None:
    """Every row-only kind of ssot/ says Ready=True, with one status write an object and nothing written a second time."""
    documents = _sample(lab)
    with lab.operator() as process:
        for document in documents:
            lab.cluster.admin.apply(document)
        rows = [item for item in documents if registry.KINDS[str(item["kind"])].row_only]
        rows = [item for item in rows if item["kind"] != "Model"]
        keys = [_key(item) for item in rows]
        lab.until_ready(keys)
        assert process.metric("wbx_operator_statuses_total") >= len(keys)
        versions = {
            key: operator_lab.version_of(lab.cluster.admin, key[0], key[2], key[1]) for key in keys
        }
        assert process.end() == 143, process.log
    with lab.operator() as process:
        process.until_ready()
        operator_lab.until(lambda: process.metric("wbx_operator_passes_total"), lambda: process.log)
        assert process.metric("wbx_operator_statuses_total") == 0
        for key, version in versions.items():
            assert operator_lab.version_of(lab.cluster.admin, key[0], key[2], key[1]) == version
        assert process.end() == 143, process.log


def _key(document: dict[str, object]) -> tuple[str, str, str]:
    metadata = document["metadata"]
    assert isinstance(metadata, dict)
    return str(document["kind"]), metadata.get("namespace", ""), metadata["name"]
