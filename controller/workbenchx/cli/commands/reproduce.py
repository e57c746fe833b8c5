"""`wbx reproduce`: the same commit, runtime, inputs and seed again; do the same bytes come out?"""

from typing import TYPE_CHECKING, Any

import click

from workbenchx.cli import failure, invocation, options, records, waiting
from workbenchx.cli.show import phrases, reproduction

if TYPE_CHECKING:
    from workbenchx import ports


@options.command("reproduce")
@click.argument("words", nargs=-1, required=True, metavar="KIND/NAME | RUN_ID")
@options.namespace
@options.as_json
def command(
    context: click.Context, words: tuple[str, ...], *, namespace: str | None, as_json: bool
) -> int:
    """KIND/NAME takes its latest run.

    Exit 0: the run succeeded again and every output has the same sha256; 1: it did not, or one differs.
    """
    chosen = invocation.settings_of(context)

    async def work(access: "ports.Access") -> int:
        before = await records.run_of(access, words, namespace)
        if before["state"] != "succeeded":
            raise failure.Failure(
                f"run {before['run_id']} {before['state']}: only a run that succeeded is reproduced",
                hint="wbx runs lists runs",
            )
        invocation.tell(f"running {phrases.short_id(str(before['run_id']))} again")
        new = await access.reproduce(str(before["run_id"]))
        await waiting.until_ended(access, chosen, new)
        again = await access.reads.run(new)
        found = await _compared(access, before, again)
        if as_json:
            invocation.answer(found)
        else:
            invocation.say(reproduction.text(found, invocation.paint(chosen)))
        return 0 if found["reproduced"] else 1

    return invocation.with_access(chosen, work)


async def _compared(
    access: "ports.Access", before: dict[str, Any], again: dict[str, Any]
) -> dict[str, Any]:
    old = await access.reads.artifacts(run_id=before["run_id"])
    new = await access.reads.artifacts(run_id=again["run_id"])
    return reproduction.compare(before, again, old, new)
