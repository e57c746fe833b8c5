"""`wbx gateway`: models under their aliases, for whoever is signed in and may spend the project's money."""

import importlib

import click

from workbenchx.cli import failure, interrupts, invocation, options
from workbenchx.wiring import telemetry


@options.command("gateway")
@click.option("--host", "console_host", metavar="ADDRESS", help="Listen on (default: 127.0.0.1).")
@click.option("--port", "console_port", metavar="NUMBER", help="Its port (default: 8420; 0: any).")
@click.option("--health-host", metavar="ADDRESS", help="Probes listen on (default: 127.0.0.1).")
@click.option("--health-port", metavar="NUMBER", help="Their port (default: 8421; 0: any).")
@options.as_json
def command(
    context: click.Context,
    *,
    console_host: str | None,
    console_port: str | None,
    health_host: str | None,
    health_port: str | None,
    as_json: bool,
) -> int:
    """Serves the OpenAI API (/v1) in front of ModelDeployments until Ctrl-C or SIGTERM.

    Needs WBX_DATABASE_URL (as the login wbx_engine), WBX_AUTH_URL, and the credentials of the providers that it asks.
    Embedded, wbx console serves the same.
    """
    chosen = invocation.settings_of(
        context,
        console_host=console_host,
        console_port=console_port,
        health_host=health_host,
        health_port=health_port,
    )
    if chosen.embedded:
        raise failure.Failure(
            "a gateway needs a database of your own, and WBX_DATABASE_URL is not set",
            hint="set it as the login wbx_engine; embedded, wbx console serves /v1",
        )
    if chosen.api_url:
        raise failure.Failure(
            "WBX_API_URL is set: a gateway serves, and asks no other", hint="unset it"
        )
    hosting = importlib.import_module("workbenchx.cli.hosting")

    def announce(url: str, where: str) -> None:
        invocation.tell(f"serving models on {url}/v1 until Ctrl-C")
        if as_json:
            invocation.answer({"url": f"{url}/v1", "health": where})
        else:
            invocation.say(f"{url}/v1")

    with telemetry.collected("wbx-gateway"):
        interrupts.call(lambda: hosting.models(chosen, announce), hosting.new_loop)
    return 0
