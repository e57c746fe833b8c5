"""`wbx apply`: mirror the files, carry out the plan, end when it is in force."""

import functools
import pathlib
from typing import TYPE_CHECKING

import click

from workbenchx.cli import invocation, options, reconciling, repositories, serving

if TYPE_CHECKING:
    from workbenchx.wiring import app as wiring
    from workbenchx.wiring import settings


@options.command("apply")
@options.folder
@options.as_json
@click.option(
    "--wait/--no-wait",
    default=None,
    help="Wait for jobs and experiments to end. Default: only if no wbx up serves here.",
)
def command(
    context: click.Context, path: pathlib.Path | None, *, wait: bool | None, as_json: bool
) -> int:
    """PATH is a folder or a file (default: ssot/). Only what is recorded from under PATH can be deleted.

    Exit 0: in force; 1: something is wrong or held (wbx why tells). Ctrl-C leaves jobs running.
    """
    chosen = invocation.settings_of(context)
    invocation.local_only(chosen, "wbx apply")
    target = invocation.declared(chosen, path)
    waits = not serving.others(chosen) if wait is None else wait
    until = "settled" if waits else "applied"
    with invocation.read_ahead(chosen, target):
        return invocation.with_app(
            chosen,
            functools.partial(_apply, chosen, path, target, until, as_json=as_json),
            fresh=True,
        )


async def _apply(
    chosen: "settings.Settings",
    path: pathlib.Path | None,
    target: pathlib.Path,
    until: str,
    app: "wiring.App",
    *,
    as_json: bool,
) -> int:
    await repositories.take_folder(app, path)
    return await reconciling.apply(app, chosen, target, until=until, as_json=as_json)
