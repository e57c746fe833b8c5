"""The `vercel_sandbox` adapter: programs in the microVMs of Vercel Sandbox, by the vendor's own client.

Owns: the vendor's client and what its errors mean (client, faults), making a sandbox (making, kit), a hand inside it (hand),
what its words mean (statuses), and what runs in it (inside/). Imported by: wiring, as `vercel_sandbox.from_option`. Never:
resumes a sandbox, keeps a snapshot at the vendor, or lets the client repeat what could be done twice.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbenchx import ports
    from workbenchx.providers.sandbox.vercel_sandbox.adapter import VercelSandbox

__all__ = ["from_option"]


def from_option(
    option: Any,
    installation: "ports.Installation",
    storage: "ports.StorageProvider",
    credential: Callable[[str], str],
) -> "VercelSandbox":
    """The adapter of a provider object's option. Loaded only here: what runs in sandboxes must stay small.

    Raises:
        errors.Stalled: reason InvalidSpec, SecretMissing.
    """
    from workbenchx.providers.sandbox.vercel_sandbox import adapter, settings  # noqa: PLC0415

    chosen = settings.read(option.settings)
    for name in settings.CREDENTIALS:
        credential(name)  # a missing one is said before anything is asked for
    return adapter.VercelSandbox(credential, storage, installation.id, chosen)
