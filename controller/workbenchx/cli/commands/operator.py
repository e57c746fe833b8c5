"""`wbx operator`: custom resources become rows, and rows their status."""

import asyncio
import importlib
import os
import pathlib
from typing import Any

import click

from workbenchx.cli import interrupts, invocation, options
from workbenchx.wiring import telemetry


class _Group(click.Group):
    """Alone it serves; its sub-commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Their names."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        """Import one."""
        if cmd_name not in _COMMANDS:
            return None
        name = f"workbenchx.cli.commands.{_COMMANDS[cmd_name]}"
        found: click.Command = importlib.import_module(name).command
        return found


_COMMANDS = {"install": "operator_install"}


@options.group("operator", _Group)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=pathlib.Path),
    metavar="PATH",
    help="How to reach the API server (default: KUBECONFIG, else the Pod's service account).",
)
@click.option("--health-host", metavar="ADDRESS", help="Probes listen on (default: 127.0.0.1).")
@click.option("--health-port", metavar="NUMBER", help="Their port (default: 8421; 0: any).")
@options.as_json
def command(
    context: click.Context,
    *,
    kubeconfig: pathlib.Path | None,
    health_host: str | None,
    health_port: str | None,
    as_json: bool,
) -> int:
    """Serves until SIGTERM or Ctrl-C. Needs WBX_DATABASE_URL (as the login wbx_engine).

    Any number of them may run: one leads, the others know all it knows and take over. It holds no provider's credential.
    """
    if context.invoked_subcommand:
        return 0
    chosen = invocation.settings_of(context, health_host=health_host, health_port=health_port)
    serving, access = _room("serving"), _room("kubeconfig").load(os.environ, kubeconfig)

    _room("memory").prepare()

    def announce(where: str) -> None:
        invocation.tell(f"serving {access.server} until Ctrl-C")
        if as_json:
            invocation.answer({"health": where})
        else:
            invocation.say(where)

    async def work() -> None:
        stop = asyncio.Event()
        with interrupts.gently(stop.set):
            await serving.serve(chosen, access, stop, announce)

    with telemetry.collected("wbx-operator"):
        interrupts.call(work, _room("serving").new_loop)
    return 0


def _room(name: str) -> Any:
    """The room is imported when it is used: --help needs neither kopf nor aiohttp."""
    return importlib.import_module(f"workbenchx.operator.{name}")
