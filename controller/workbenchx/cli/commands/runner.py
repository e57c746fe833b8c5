"""`wbx runner`: what a droplet runs, by hand."""

import importlib
import json
import pathlib

import click

from workbenchx.cli import failure, options

_NEEDED = ("api", "bubblewrap", "folder", "keys", "name", "pace", "patience", "token", "until")


@options.command("runner")
@click.argument("file", type=click.Path(dir_okay=False))
def command(context: click.Context, *, file: str) -> int:
    """Claims the run whose token FILE has, carries it out, and ends. A droplet's user data writes the file and starts this.

    It needs root of a machine that nobody else uses: an image is unpacked there, and its command runs in it. It holds
    no credential but the token of that run.
    """
    del context
    try:
        found = json.loads(pathlib.Path(file).read_text("utf-8"))
        missing = sorted(set(_NEEDED) - set(found))
    except (OSError, ValueError) as problem:
        raise failure.Failure(
            f'runner: "{file}" cannot be read: {problem}',
            hint="a droplet's user data writes that file; wbx worker makes the droplet",
        ) from problem
    if missing:
        raise failure.Failure(
            f'runner: "{file}" does not say "{missing[0]}"',
            hint="console, worker and runner are of one release",
        )
    agent = importlib.import_module("workbenchx.providers.sandbox.do_runner.agent.main")
    return int(agent.run(file))
