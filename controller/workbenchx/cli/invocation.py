"""What every command needs: settings, how to paint, and the App while it works.

Commands are plain functions; what they do with the database is one coroutine handed to `with_app`.
"""

import contextlib
import gc
import json
import os
import pathlib
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from workbenchx import errors
from workbenchx.cli import failure, interrupts, workflow
from workbenchx.cli.show import style
from workbenchx.wiring import home, logs, settings, settings_file, telemetry

if TYPE_CHECKING:
    from workbenchx import ports
    from workbenchx.wiring import app


def settings_of(
    context: click.Context,
    *,
    amiss: settings_file.Amiss = settings_file.refuse,
    **flags: Any,
) -> settings.Settings:
    """The settings of this invocation; `flags` are the command's own. Starts the program's log.

    `amiss` hears what is wrong in wbx.toml and in variables; by default that is an error.
    """
    given = {**(context.find_root().obj or {}), **flags}
    found = settings.load(flags=given, amiss=amiss)
    folder = found.home / "logs"
    logs.configure(found.log_level, folder if folder.is_dir() else None)
    return found


def declared(chosen: settings.Settings, path: pathlib.Path | None) -> pathlib.Path:
    """The folder or file of declared YAML: what was given, else the settings' ssot.

    Raises:
        failure.Failure: it is not there.
    """
    target = (path or chosen.ssot).absolute()
    if not target.exists():
        hint = "give the folder of declared YAML, or set ssot in wbx.toml"
        raise failure.Failure(f'there is no "{path or chosen.ssot}"', hint=hint)
    return target


def paint(chosen: settings.Settings) -> style.Style:
    """How stdout is painted."""
    terminal = sys.stdout.isatty()
    return style.Style(style.wanted(chosen.colour, os.environ, terminal=terminal))


def paint_errors(chosen: settings.Settings) -> style.Style:
    """How stderr is painted."""
    terminal = sys.stderr.isatty()
    return style.Style(style.wanted(chosen.colour, os.environ, terminal=terminal))


def width() -> int | None:
    """Columns of the terminal on stdout; None where there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def say(text: str) -> None:
    """A line of the answer, on stdout."""
    click.echo(workflow.inert(text), color=True)


def tell(text: str) -> None:
    """A line about the work, on stderr."""
    click.echo(workflow.inert(text), err=True)


def annotate(command: str) -> None:
    """A command to GitHub Actions, on stderr."""
    click.echo(command, err=True)


def warn(problem: errors.WorkbenchError) -> None:
    """What went wrong and does not keep the command from going on, on stderr."""
    tell(f"wbx: warning: {problem.message}")


def narrow() -> bool:
    """Whether stdout cannot hold every letter."""
    return "utf" not in sys.stdout.encoding.lower()


def put(text: str) -> None:
    """A piece of the answer, on stdout, as it is."""
    click.echo(text, nl=False, color=True)


def answer(document: Any) -> None:
    """The answer as JSON, on stdout."""
    say(as_json(document))


def as_json(document: Any, *, indent: int | None = 2) -> str:
    """JSON text; letters that stdout cannot hold are escaped."""
    return json.dumps(document, indent=indent, ensure_ascii=narrow(), default=_plain)


def _plain(value: Any) -> Any:
    """Times, ids and money as text."""
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if isoformat else str(value)


@contextlib.contextmanager
def read_ahead(chosen: settings.Settings, target: pathlib.Path) -> Iterator[None]:
    """While inside, other processes read `target` already, for the command that will ask for it."""
    from workbenchx.wiring import readahead  # noqa: PLC0415 - --help needs no model

    with readahead.of(chosen.root, target):
        yield


def with_access(
    chosen: settings.Settings,
    work: Callable[["ports.Access"], Awaitable[int]],
    *,
    fresh: bool = False,
) -> int:
    """Run `work` with the installation that the settings name. `fresh`: an embedded one may begin.

    Raises:
        failure.Failure: nothing was ever started here.
    """
    if not chosen.api_url:
        return with_app(chosen, work, fresh=fresh)

    async def body() -> int:
        from workbenchx.wiring import remote  # noqa: PLC0415 - httpx only when needed

        async with remote.open(chosen) as opened:
            return await work(opened)

    return interrupts.call(body)


def with_app(
    chosen: settings.Settings,
    work: Callable[["app.App"], Awaitable[int]],
    *,
    fresh: bool = False,
    after: Callable[[settings.Settings], Awaitable[None]] | None = None,
) -> int:
    """Run `work` with everything connected, and `after` once nothing is any more. `fresh`: an installation may begin.

    Raises:
        failure.Failure: the settings point elsewhere, or nothing was ever started here.
    """
    if chosen.api_url:
        raise failure.Failure(
            "this command works on the embedded database only, and WBX_API_URL is set",
            hint="unset WBX_API_URL to use the embedded one",
        )
    if not fresh and chosen.embedded and not home.Home(chosen.home).exists:
        raise failure.Failure(
            f"nothing was started here yet (WBX_HOME is {chosen.home})", hint="wbx up --once"
        )

    home.Home(chosen.home).prepare()
    logs.configure(chosen.log_level, home.Home(chosen.home).logs)
    if fresh:
        gc.disable()  # what files declare stays; who goes on to wait (wiring/running) collects again

    async def body() -> int:
        from workbenchx.wiring import app  # noqa: PLC0415 - psycopg and pydantic only when needed

        async with app.open(chosen) as opened:
            code = await work(opened)
        if after is not None:
            await after(chosen)
        return code

    with telemetry.collected("wbx"):
        return interrupts.call(body)


def local_only(chosen: settings.Settings, command: str) -> None:
    """Refuse what makes files real by itself: behind an API that is the cluster's and git's part."""
    if chosen.api_url:
        raise failure.Failure(
            f"{command} works on the embedded database only, and WBX_API_URL is set",
            hint="apply with kubectl apply -f, or commit to git and let the Source do it",
        )
