"""`wbx operator`: custom resources become rows, and rows their status."""

import asyncio
import importlib
import os
import pathlib
from typing import Any

import click

from workbenchx.cli import interrupts, invocation, options


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
@click.option(
    "-n",
    "--namespace",
    "namespaces",
    multiple=True,
    metavar="NAME",
    help="Serve only this namespace, beside what is cluster-scoped; may be repeated.",
)
def command(
    context: click.Context, *, kubeconfig: pathlib.Path | None, namespaces: tuple[str, ...]
) -> int:
    """Serves until SIGTERM. Needs WBX_DATABASE_URL (the login wbx_engine).

    Any number of them may run: one leads, the others are ready to take over.
    """
    if context.invoked_subcommand:
        return 0
    chosen = invocation.settings_of(context)
    serving, access = _room("serving"), _room("kubeconfig").load(os.environ, kubeconfig)

    async def work() -> None:
        stop = asyncio.Event()
        with interrupts.gently(stop.set):
            await serving.serve(
                chosen,
                serving.Options(access, namespaces),
                stop,
                lambda where: invocation.tell(f"serving {where} until Ctrl-C"),
            )

    interrupts.call(work)
    return 0


def _room(name: str) -> Any:
    """The room is imported when it is used: --help needs neither kopf nor aiohttp."""
    return importlib.import_module(f"workbenchx.operator.{name}")
