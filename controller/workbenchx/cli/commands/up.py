"""`wbx up`: start everything, reconcile, serve; `--once` ends when settled; `--stop` ends what was left running."""

import contextlib
import pathlib
from typing import TYPE_CHECKING

import click

from workbenchx.cli import failure, invocation, options, reconciling, repositories, serving
from workbenchx.wiring import settings_file

if TYPE_CHECKING:
    from workbenchx.wiring import app as wiring
    from workbenchx.wiring import settings


@options.command("up")
@click.argument("word", required=False, metavar="[PATH|URL]")
@click.option("--branch", metavar="NAME", help="With URL: the branch to follow.")
@click.option("--path", metavar="FOLDER", help="With URL: the folder of it that counts.")
@click.option("--once", is_flag=True, help="End when settled: 0 if all is Ready, else 1.")
@click.option("--stop", is_flag=True, help="End what wbx up left running, Postgres included.")
@click.option("--json", "as_json", is_flag=True, help="With --once: the tree as JSON.")
@click.option("--no-watch", is_flag=True, help="Do not read the files again when they change.")
def command(
    context: click.Context,
    word: str | None,
    *,
    branch: str | None,
    path: str | None,
    once: bool,
    stop: bool,
    no_watch: bool,
    as_json: bool,
) -> int:
    """PATH is a folder or a file (default: ssot/). URL is a git repository, which is followed from then on.

    Postgres, sessions, apps and running jobs live on after wbx up ends, until wbx up --stop.
    """
    amiss = invocation.warn if stop else settings_file.refuse
    chosen = invocation.settings_of(context, amiss=amiss)
    invocation.local_only(chosen, "wbx up")
    if stop:
        if once or word or no_watch or branch or path:
            raise failure.Failure("wbx up --stop takes no other arguments", hint="wbx up --stop")
        return serving.stop(chosen)
    given = repositories.given(word, branch, path)
    folder = pathlib.Path(word) if word and given is None else None
    ahead = given is None and (folder is not None or chosen.ssot.exists())
    target = invocation.declared(chosen, folder) if ahead else None

    async def work(app: "wiring.App") -> int:
        if given is not None:
            await app.store.follow(given.url, branch=given.branch, path=given.path)
        if given is not None or (folder is None and await app.followed() is not None):
            return await repositories.up(app, chosen, once=once, as_json=as_json)
        await repositories.take_folder(app, folder)
        return await _folder(
            app,
            chosen,
            target or invocation.declared(chosen, folder),
            once=once,
            watch=not no_watch,
            as_json=as_json,
        )

    reading = once and target is not None
    with invocation.read_ahead(chosen, target) if reading and target else contextlib.nullcontext():
        code = invocation.with_app(chosen, work, fresh=True)
    if once:
        invocation.tell(f"the data is in {chosen.home}")
    return code


async def _folder(
    app: "wiring.App",
    chosen: "settings.Settings",
    target: pathlib.Path,
    *,
    once: bool,
    watch: bool,
    as_json: bool,
) -> int:
    if once:
        return await reconciling.apply(app, chosen, target, until="settled", as_json=as_json)
    return await serving.serve(app, chosen, target, watch=watch)
