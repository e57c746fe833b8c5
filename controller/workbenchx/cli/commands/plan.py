"""`wbx plan`: what applying the files would change. Changes nothing."""

import pathlib
from typing import TYPE_CHECKING

import click

from workbenchx.cli import invocation, options, previewing
from workbenchx.cli.show import problems

if TYPE_CHECKING:
    from workbenchx import ports

FORMATS = ("text", "json", "markdown")


@options.command("plan")
@options.folder
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def command(context: click.Context, path: pathlib.Path | None, *, form: str, as_json: bool) -> int:
    """PATH is a folder or a file (default: ssot/); absence under PATH deletes only what is recorded from under PATH.

    Exit 0: no change; 2: changes; 1: error.
    """
    chosen = invocation.settings_of(context)
    target = invocation.declared(chosen, path)

    async def work(access: "ports.Access") -> int:
        plan, report = await access.preview(target)
        colour = invocation.paint(chosen).colour
        invocation.say(previewing.render(plan, "json" if as_json else form, colour=colour))
        for line in problems.lines(report):
            invocation.tell(line)
        if problems.wrong(report):
            return 1
        return 2 if plan.steps else 0

    with invocation.read_ahead(chosen, target):
        return invocation.with_access(chosen, work, fresh=True)
