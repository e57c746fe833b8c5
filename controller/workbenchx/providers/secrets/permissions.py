"""What the adapter may do, in each namespace in which somebody binds it: look at one Secret by its name.

A ClusterRole that is bound nowhere by itself. No `list` and no `watch`: who cannot name a Secret does not get it.
"""

from typing import Any

ROLE = "wbx-project-secrets"
RULES: tuple[dict[str, Any], ...] = (
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
)
