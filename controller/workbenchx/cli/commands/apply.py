"""`wbx apply`: mirror the files, carry out the plan, end when it is in force."""

import pathlib

import click

from workbenchx.cli import failure, invocation, options, reconciling


@options.command("apply")
@options.folder
@click.option("--wait", is_flag=True, help="Also wait for jobs and experiments to end.")
def command(context: click.Context, path: pathlib.Path | None, *, wait: bool) -> int:
    """PATH is a folder or a file (default: ssot/). Only what is recorded from under PATH can be deleted.

    Exit 0: in force; 1: something is wrong or held (wbx why tells).
    """
    chosen = invocation.settings_of(context)
    if chosen.api_url:
        raise failure.Failure(
            "wbx apply works on the embedded database only, and WBX_API_URL is set",
            hint="apply with kubectl apply -f, or commit to git and let the Source do it",
        )
    target = invocation.declared(chosen, path)
    return invocation.with_app(
        chosen,
        lambda app: reconciling.apply(app, chosen, target, until="settled" if wait else "applied"),
        fresh=True,
    )
