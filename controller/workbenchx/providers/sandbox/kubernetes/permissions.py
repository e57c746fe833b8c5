"""What the adapter may do at the API server: the rules of a Role in the namespace of the sandboxes, and nothing elsewhere.

Data, so that the manifests and the tests use the same. `pods/exec` is how files, output and orders go in and out: through
the API server and the kubelet, so that sandboxes need no way to us and we none to them.
"""

from typing import Any

RULES: tuple[dict[str, Any], ...] = (
    {
        "apiGroups": ["batch"],
        "resources": ["jobs"],
        "verbs": ["get", "list", "watch", "create", "patch", "delete"],
    },
    # What a Job owns goes before it; some clusters ask for this right of who says so.
    {"apiGroups": ["batch"], "resources": ["jobs/finalizers"], "verbs": ["update"]},
    # Deleted is only a pod that the cluster has given up, on a node that does not answer.
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "delete"]},
    # Over a WebSocket the verb is `get` for older servers and `create` for newer ones.
    {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get", "create"]},
    {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "create", "patch"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
    {
        "apiGroups": ["networking.k8s.io"],
        "resources": ["networkpolicies"],
        "verbs": ["get", "create"],
    },
)
"""Not secrets: the adapter neither reads nor writes one."""
