"""What the operator may do in a cluster, as data: tests run it under exactly this, and manifests are made from it.

No Secrets, no Pods, no other group: the operator holds no credential of a provider, and starts nothing.
"""

from typing import Any

from workbenchx.api import registry
from workbenchx.engine import landing
from workbenchx.operator import finalizing

SYSTEM_NAMESPACE = "kube-system"

Rule = dict[str, Any]


def cluster_rules() -> list[Rule]:
    """Rules of the ClusterRole `wbx-operator`."""
    plurals = sorted(kind.plural for kind in registry.KINDS.values())
    return [
        {"apiGroups": [registry.GROUP], "resources": plurals, "verbs": ["get", "list", "watch"]},
        {
            "apiGroups": [registry.GROUP],
            "resources": [f"{plural}/status" for plural in plurals],
            "verbs": ["patch"],
        },
        {
            "apiGroups": [registry.GROUP],
            "resources": [
                kind.plural for kind in registry.KINDS.values() if finalizing.needed(kind.kind)
            ],
            "verbs": ["patch"],
        },
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
        {
            "apiGroups": [""],
            "resources": ["namespaces"],
            "resourceNames": [SYSTEM_NAMESPACE],
            "verbs": ["get"],
        },
    ]


def token_rules() -> list[Rule]:
    """Rules of the ClusterRole `wbx-source-tokens`, bound where a Source is: a worker may speak as its account."""
    return [
        {
            "apiGroups": [""],
            "resources": ["serviceaccounts/token"],
            "resourceNames": [landing.ACCOUNT],
            "verbs": ["create"],
        }
    ]


def source_rules() -> list[Rule]:
    """Rules of the ClusterRole `wbx-source`: our kinds, and nothing else. What of it an account has is decided by the binding."""
    plurals = sorted(kind.plural for kind in registry.KINDS.values())
    verbs = ["get", "list", "create", "patch", "delete"]
    return [{"apiGroups": [registry.GROUP], "resources": plurals, "verbs": verbs}]
