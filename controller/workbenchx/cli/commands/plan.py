"""`wbx plan`: what applying the files would change. Changes nothing."""

import contextlib
import pathlib
from typing import TYPE_CHECKING

import click

from workbenchx.cli import invocation, options, previewing, repositories
from workbenchx.cli.show import problems

if TYPE_CHECKING:
    from workbenchx import ports

FORMATS = ("text", "json", "markdown")


@options.command("plan")
@options.folder
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def command(context: click.Context, path: pathlib.Path | None, *, form: str, as_json: bool) -> int:
    """PATH is a folder or a file (default: ssot/, or the repository that wbx up follows); absence under PATH deletes only what is recorded from under PATH.

    Exit 0: no change; 2: changes; 1: error.
    """
    chosen = invocation.settings_of(context)
    here = path is not None or chosen.ssot.exists()
    target = invocation.declared(chosen, path) if here else None

    async def work(access: "ports.Access") -> int:
        state = await access.followed()
        colour = invocation.paint(chosen).colour
        shown = "json" if as_json else form
        if state is not None and path is None:
            plan = await access.plan()
            invocation.say(previewing.render(plan, shown, colour=colour))
            invocation.tell(repositories.told(state))
            return 2 if plan.steps else 0
        plan, report = await access.preview(target or invocation.declared(chosen, path))
        invocation.say(previewing.render(plan, shown, colour=colour))
        for line in problems.lines(report):
            invocation.tell(line)
        if problems.wrong(report):
            return 1
        return 2 if plan.steps else 0

    with invocation.read_ahead(chosen, target) if target else contextlib.nullcontext():
        return invocation.with_access(chosen, work, fresh=True)
