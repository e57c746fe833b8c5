"""A group of commands that imports a command only when it is used."""

import difflib
import importlib

import click

from workbenchx.cli import catalog, failure


class LazyGroup(click.Group):
    """The top of `wbx`. Help and completion of names come from the catalog alone."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All names, in the order of the catalog."""
        return list(catalog.COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        """Import the command's module."""
        entry = catalog.COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module = importlib.import_module(f"workbenchx.cli.commands.{entry.module}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Like click's, but an unknown command names the nearest one."""
        if args and args[0] not in catalog.COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], catalog.COMMANDS, n=1)
            hint = f"did you mean wbx {near[0]}?" if near else "wbx --help lists the commands"
            raise failure.Failure(f'there is no command "{args[0]}"', hint=hint)
        return super().resolve_command(ctx, args)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - the same
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the catalog, section by section."""
        for title, entries in catalog.SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.help) for name, entry in entries.items()])
