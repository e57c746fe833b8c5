"""The `do_runner` sandbox: one DigitalOcean droplet for each run, destroyed when it ends.

Owns: droplets through the vendor's own client (droplets), making and ending them (making, adapter), what a machine is told
(userdata, orders, sealing, kit), what runs on it (agent/). Imported by: wiring, as `do_runner.from_option`; the console takes
`kit`, the command `wbx runner` takes `agent`. Never: sends a create twice without having looked, holds a droplet that nobody
asked for, gives a droplet a credential but the token of its run.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbenchx import ports
    from workbenchx.providers.sandbox.do_runner.adapter import DropletSandbox

__all__ = ["from_option"]


def from_option(
    option: Any,
    installation: "ports.Installation",
    storage: "ports.StorageProvider",
    credential: Callable[[str], str],
    desk: "ports.Desk",
) -> "DropletSandbox":
    """The adapter of a provider object's option. Loaded only here: what runs on a machine must stay small.

    Raises:
        errors.Stalled: reason InvalidSpec.
    """
    from workbenchx.providers.sandbox.do_runner import adapter, droplets, settings  # noqa: PLC0415

    chosen = settings.read(option.settings, option.prices)
    settings.check_api(chosen)
    api = droplets.Droplets(chosen, installation.id, lambda: credential("token"))
    return adapter.DropletSandbox(
        desk, api, storage, installation.id, chosen, credential=credential
    )
