"""The `kubernetes` sandbox: programs in the pods of a cluster.

Owns: Jobs and what belongs to them (objects, statuses, names), making them (making), a thin client (client, execution,
access), the rules that it needs (permissions), and what runs in the pods (inside/). Imported by: wiring, as
`kubernetes.from_option`, and by manifests for the rules. Never: reads or makes a Secret, needs a way from a pod to us.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbenchx import ports
    from workbenchx.providers.sandbox.kubernetes.adapter import KubernetesSandbox

__all__ = ["from_option"]


def from_option(
    option: Any,
    installation: "ports.Installation",
    storage: "ports.StorageProvider",
    credential: Callable[[str], str],
) -> "KubernetesSandbox":
    """The adapter of a provider object's option. Loaded only here: what runs in pods must stay small.

    Raises:
        errors.Stalled: reason InvalidSpec, ProviderUnavailable.
    """
    from workbenchx.providers.sandbox.kubernetes import access, adapter, settings  # noqa: PLC0415

    del credential  # the service account of the pod is the credential
    chosen = settings.read(option.settings)
    found = access.find(chosen.kubeconfig)
    return adapter.KubernetesSandbox(found, storage, installation.id, chosen)
