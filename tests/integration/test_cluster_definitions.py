"""Our kinds on a real API server."""

from typing import Any

import cluster_server
import pytest
from cluster_fixtures import cluster

__all__ = ["cluster"]

DEFINITIONS = cluster_server.definitions()


def _named(definition: dict[str, Any]) -> str:
    return str(definition["metadata"]["name"])


@pytest.mark.parametrize("definition", DEFINITIONS, ids=_named)
def test_the_api_server_takes_and_serves_a_definition(
    cluster: cluster_server.Cluster, definition: dict[str, Any]
) -> None:
    """Applied server-side: structural, no unknown word, rules of bounded cost, established; a second time: no change."""
    first = cluster.admin.apply(definition, manager="crds")
    conditions = {item["type"]: item["status"] for item in first["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert conditions["NamesAccepted"] == "True"
    assert conditions.get("NonStructuralSchema", "False") == "False"
    again = cluster.admin.apply(definition, manager="crds")
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert again["metadata"]["generation"] == 1


def test_a_short_name_means_one_kind(cluster: cluster_server.Cluster) -> None:
    """No two kinds of ours, and none of Kubernetes, have the same name, short name or singular."""
    served = cluster.kubectl("api-resources", "--no-headers", "-o", "name").stdout.split()
    ours = [name for name in served if name.endswith(".workbenchx.dev")]
    assert len(ours) == len(DEFINITIONS)
