"""`wbx cancel`: end a run; it counts as cancelled once the provider confirms."""

from typing import TYPE_CHECKING

import click

from workbenchx.cli import failure, invocation, options, records, waiting
from workbenchx.cli.show import phrases

if TYPE_CHECKING:
    from workbenchx import ports


@options.command("cancel")
@click.argument("words", nargs=-1, required=True, metavar="RUN_ID | KIND/NAME")
@options.namespace
@click.option("--no-wait", is_flag=True, help="Do not wait until the run has ended.")
@options.as_json
def command(
    context: click.Context,
    words: tuple[str, ...],
    *,
    namespace: str | None,
    no_wait: bool,
    as_json: bool,
) -> int:
    """KIND/NAME cancels its open run. Exit 0: the run has ended (or, with --no-wait, was asked to)."""
    chosen = invocation.settings_of(context)

    async def work(access: "ports.Access") -> int:
        run = await records.run_of(access, words, namespace)
        if not records.is_open(run):
            raise failure.Failure(
                f"run {run['run_id']} is not running: it {run['state']}", hint="wbx runs lists runs"
            )
        await access.intervene("cancel", records.key_of_run(run), {"run_id": run["run_id"]})
        if not no_wait:
            await waiting.until_ended(access, chosen, str(run["run_id"]))
            run = await access.reads.run(run["run_id"])
        if as_json:
            invocation.answer({"run_id": run["run_id"], "state": run["state"]})
        else:
            words_of = "asked to end" if records.is_open(run) else str(run["state"])
            invocation.say(f"run {phrases.short_id(str(run['run_id']))} {words_of}")
        return 0

    return invocation.with_access(chosen, work)
