"""`wbx console`: the HTTP API and its pages; embedded, a one-time link signs the local user in."""

import importlib
from typing import Any

import click

from workbenchx.cli import failure, interrupts, invocation, options
from workbenchx.wiring import home, logs, telemetry


@options.command("console")
@click.option("--host", "console_host", metavar="ADDRESS", help="Listen on (default: 127.0.0.1).")
@click.option("--port", "console_port", metavar="NUMBER", help="Its port (default: 8420; 0: any).")
@click.option("--link", is_flag=True, help="Print a new link to the console that serves already.")
@options.as_json
def command(
    context: click.Context,
    *,
    console_host: str | None,
    console_port: str | None,
    link: bool,
    as_json: bool,
) -> int:
    """Serves until Ctrl-C. The link works once, within ten minutes.

    With WBX_DATABASE_URL (as the login wbx_api) and WBX_AUTH_URL it serves the callers of a Supabase project.
    """
    chosen = invocation.settings_of(context, console_host=console_host, console_port=console_port)
    if chosen.embedded and not home.Home(chosen.home).exists:
        raise failure.Failure(
            f"nothing was started here yet (WBX_HOME is {chosen.home})", hint="wbx up --once"
        )
    if chosen.api_url:
        raise failure.Failure(
            "WBX_API_URL is set: a console serves, and asks no other", hint="unset it"
        )
    if chosen.embedded:
        logs.configure(chosen.log_level, home.Home(chosen.home).logs)
    hosting = _hosting()
    if link:
        _tell(hosting.new_link(chosen), as_json=as_json)
        return 0

    def announce(url: str, login: str | None) -> None:
        invocation.tell(f"serving on {url} until Ctrl-C")
        _tell(login or url, as_json=as_json)

    with telemetry.collected("wbx-console"):
        interrupts.call(lambda: hosting.host(chosen, announce), hosting.new_loop)
    return 0


def _hosting() -> Any:
    """The module that needs the web server; --help does not."""
    return importlib.import_module("workbenchx.cli.hosting")


def _tell(link: str, *, as_json: bool) -> None:
    if as_json:
        invocation.answer({"url": link})
    else:
        invocation.say(link)
