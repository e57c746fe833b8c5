"""Write the roles in manifests/ from what the code says that it needs.

Usage: python .ci/manifests.py [--check]. With --check it only tells whether the files are fresh.
"""

import pathlib
import sys
from typing import Any

import yaml

from workbenchx.operator import permissions as of_operator
from workbenchx.providers.sandbox.kubernetes import permissions as of_sandboxes
from workbenchx.providers.secrets import permissions as of_secrets

ROOT = pathlib.Path(__file__).parent.parent / "manifests"
HEAD = "# Written by `make generate` from {source}: what the code needs, and nothing else. Do not edit.\n"
RBAC = "rbac.authorization.k8s.io/v1"


def documents() -> dict[str, tuple[str, dict[str, Any]]]:
    """Each file, the source of its rules, and its role."""
    sandboxes = {
        "apiVersion": RBAC,
        "kind": "Role",
        "metadata": {"name": "wbx-worker", "namespace": "wbx-sandboxes"},
        "rules": list(of_sandboxes.RULES),
    }
    ours = "operator/permissions.py"
    return {
        "base/operator-role.yaml": (
            ours,
            cluster_role("wbx-operator", of_operator.cluster_rules()),
        ),
        "components/sandboxes/role.yaml": (
            "providers/sandbox/kubernetes/permissions.py",
            sandboxes,
        ),
        "components/project-secrets/role.yaml": (
            "providers/secrets/permissions.py",
            cluster_role(of_secrets.ROLE, list(of_secrets.RULES)),
        ),
        "components/sources/role.yaml": (
            ours,
            cluster_role("wbx-source", of_operator.source_rules()),
        ),
        "components/sources/tokens-role.yaml": (
            ours,
            cluster_role("wbx-source-tokens", of_operator.token_rules()),
        ),
    }


def cluster_role(name: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    """A ClusterRole of these rules."""
    return {
        "apiVersion": RBAC,
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": rules,
    }


def main(arguments: list[str]) -> int:
    """Write, or with --check only look; the exit code."""
    stale = []
    for name, (source, document) in documents().items():
        text = HEAD.format(source=source) + yaml.safe_dump(document, sort_keys=False)
        path = ROOT / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not arguments:
                path.write_text(text, encoding="utf-8")
    for name in stale:
        sys.stdout.write(f"{'stale' if arguments else 'written'}: manifests/{name}\n")
    return 1 if arguments and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
