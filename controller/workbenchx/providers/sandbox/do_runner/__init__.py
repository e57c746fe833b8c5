"""The `do_runner` sandbox: one DigitalOcean machine for each run, destroyed when it ends.

Owns: droplets and microVMs through the vendor's own client (account, droplets, microvms), both as machines (fleet, shapes),
making and ending them (making, adapter), those that pause (waking), what a machine is told (userdata, orders, sealing, kit), what runs on
it (boot, agent/). Imported by: wiring, as `do_runner.from_option`; the console takes
`kit`, the command `wbx runner` takes `agent`. Never: sends a create twice without having looked, holds a machine that nobody
asked for, gives one a credential but the token of its run.
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
    from workbenchx.providers.sandbox.do_runner import adapter, fleet, settings  # noqa: PLC0415

    chosen = settings.read(option.settings, option.prices)
    settings.check_api(chosen)
    settings.check_storage(storage.adapter)
    api = fleet.Fleet(chosen, installation.id, lambda: credential("token"))
    return adapter.DropletSandbox(desk, api, storage, chosen, credential=credential)
