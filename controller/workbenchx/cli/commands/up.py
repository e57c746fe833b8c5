"""`wbx up`: start everything, reconcile, serve; `--once` ends when settled; `--stop` ends what was left running."""

import pathlib

import click

from workbenchx.cli import failure, invocation, options, reconciling, serving


@options.command("up")
@options.folder
@click.option("--once", is_flag=True, help="End when settled: 0 if all is Ready, else 1.")
@click.option("--stop", is_flag=True, help="End what wbx up left running, Postgres included.")
@click.option("--json", "as_json", is_flag=True, help="With --once: the tree as JSON.")
@click.option("--no-watch", is_flag=True, help="Do not read the files again when they change.")
def command(
    context: click.Context,
    path: pathlib.Path | None,
    *,
    once: bool,
    stop: bool,
    no_watch: bool,
    as_json: bool,
) -> int:
    """PATH is a folder or a file (default: ssot/).

    Postgres, sessions, apps and running jobs live on after wbx up ends, until wbx up --stop.
    """
    chosen = invocation.settings_of(context)
    invocation.local_only(chosen, "wbx up")
    if stop:
        if once or path or no_watch:
            raise failure.Failure("wbx up --stop takes no other arguments", hint="wbx up --stop")
        return serving.stop(chosen)
    target = invocation.declared(chosen, path)
    if once:
        with invocation.read_ahead(chosen, target):
            code = invocation.with_app(
                chosen,
                lambda app: reconciling.apply(
                    app, chosen, target, until="settled", as_json=as_json
                ),
                fresh=True,
            )
        invocation.tell(f"the data is in {chosen.home}")
        return code
    return invocation.with_app(
        chosen, lambda app: serving.serve(app, chosen, target, watch=not no_watch), fresh=True
    )
