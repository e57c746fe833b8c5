"""`wbx worker`: performs runs of a database that several processes share."""

import contextlib
import importlib
import os
import pathlib
from typing import TYPE_CHECKING

import click

from workbenchx.cli import failure, interrupts, invocation, options
from workbenchx.wiring import telemetry

if TYPE_CHECKING:
    from workbenchx import ports


@options.command("worker")
@click.option("--concurrency", metavar="NUMBER", help="Runs at once (WBX_CONCURRENCY; 16).")
@click.option("--health-host", metavar="ADDRESS", help="Probes listen on (default: 127.0.0.1).")
@click.option("--health-port", metavar="NUMBER", help="Their port (default: 8421; 0: any).")
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=pathlib.Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Cluster that Sources are applied to (default: the one that it runs in; outside, none).",
)
@options.as_json
def command(
    context: click.Context,
    *,
    kubeconfig: pathlib.Path | None,
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

    async def work() -> None:
        async with contextlib.AsyncExitStack() as stack:
            await working.serve(chosen, announce=announce, api=await _api(kubeconfig, stack))

    with telemetry.collected("wbx-worker"):
        interrupts.call(work)
    return 0


async def _api(
    given: pathlib.Path | None, stack: contextlib.AsyncExitStack
) -> "ports.Cluster | None":
    """The cluster that Sources are applied to: the one of the flag, or the one that we run in."""
    reaching = importlib.import_module("workbenchx.operator.kubeconfig")
    if given is None and not reaching.inside(os.environ):
        return None
    landing = importlib.import_module("workbenchx.operator.landing")
    made: ports.Cluster = await stack.enter_async_context(
        landing.speaking(reaching.load(os.environ, given))
    )
    return made
