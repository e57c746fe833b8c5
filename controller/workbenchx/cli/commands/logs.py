"""`wbx logs`: the output of a run, as it was printed; `-f` streams it live."""

import sys
from typing import TYPE_CHECKING

import click

from workbenchx.cli import invocation, options, output, records

if TYPE_CHECKING:
    from workbenchx import ports


@options.command("logs")
@click.argument("words", nargs=-1, required=True, metavar="KIND/NAME | RUN_ID")
@options.namespace
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends.")
@click.option("--attempt", type=int, help="An earlier attempt of the resource.")
def command(
    context: click.Context,
    words: tuple[str, ...],
    *,
    namespace: str | None,
    follow: bool,
    attempt: int | None,
) -> int:
    """KIND/NAME shows its latest run; an Experiment's matrix runs are ExperimentRun/NAME (wbx get lists them)."""
    chosen = invocation.settings_of(context)

    async def work(access: "ports.Access") -> int:
        run = await records.run_of(access, words, namespace, attempt=attempt)
        async for data in output.of(access, run, follow=follow):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        return 0

    return invocation.with_access(chosen, work)
