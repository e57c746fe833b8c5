"""`wbx worker`: performs runs of a database that several processes share."""

import importlib

import click

from workbenchx.cli import failure, interrupts, invocation, options
from workbenchx.wiring import telemetry


@options.command("worker")
@click.option("--concurrency", metavar="NUMBER", help="Runs at once (WBX_CONCURRENCY; 16).")
@click.option("--health-host", metavar="ADDRESS", help="Probes listen on (default: 127.0.0.1).")
@click.option("--health-port", metavar="NUMBER", help="Their port (default: 8421; 0: any).")
@options.as_json
def command(
    context: click.Context,
    *,
    concurrency: str | None,
    health_host: str | None,
    health_port: str | None,
    as_json: bool,
) -> int:
    """Works until Ctrl-C or SIGTERM, then gives back what it holds; programs go on where they run.

    Needs WBX_DATABASE_URL (as the login wbx_engine). It also observes the providers and keeps house. What it lacks at the
    start (a migration, a provider object) it waits for: /readyz on the health port says what.
    """
    chosen = invocation.settings_of(
        context, concurrency=concurrency, health_host=health_host, health_port=health_port
    )
    if chosen.embedded:
        raise failure.Failure(
            "a worker needs a database of your own, and WBX_DATABASE_URL is not set",
            hint="set it as the login wbx_engine; embedded, wbx up works by itself",
        )
    working = importlib.import_module("workbenchx.wiring.working")

    def announce(where: str) -> None:
        invocation.tell("working until Ctrl-C")
        if as_json:
            invocation.answer({"health": where})
        else:
            invocation.say(where)

    with telemetry.collected("wbx-worker"):
        interrupts.call(lambda: working.serve(chosen, announce=announce))
    return 0
