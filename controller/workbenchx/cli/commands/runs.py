"""`wbx runs`: the table of runs, or one run with its events."""

from typing import TYPE_CHECKING

import click

from workbenchx.cli import invocation, names, options, records
from workbenchx.cli.show import runs

if TYPE_CHECKING:
    from workbenchx import ports


@options.command("runs")
@click.argument("words", nargs=-1, metavar="[KIND/NAME | RUN_ID]")
@options.namespace
@click.option("--limit", default=30, show_default=True, help="How many, the latest first.")
@options.as_json
def command(
    context: click.Context,
    words: tuple[str, ...],
    *,
    namespace: str | None,
    limit: int,
    as_json: bool,
) -> int:
    """RUN_ID may be the start of an id, if it is the only one that starts so."""
    chosen = invocation.settings_of(context)

    async def one(access: "ports.Access") -> int:
        run = await access.reads.run(words[0])
        detail = {
            **run,
            "events": await access.reads.events(run["run_id"]),
            "artifacts": await access.reads.artifacts(run_id=run["run_id"]),
        }
        if as_json:
            invocation.answer(runs.plain_detail(detail))
        else:
            invocation.say(runs.detail(detail, invocation.paint(chosen), access.clock.now()))
        return 0

    async def many(access: "ports.Access") -> int:
        only = {"namespace": namespace}
        if words:
            only = (await records.find(access, words, namespace))._asdict()
        found = await access.reads.runs(**only, limit=limit)
        if as_json:
            invocation.answer({"items": [runs.plain(run) for run in found]})
        else:
            shown = runs.listing(
                found, invocation.paint(chosen), access.clock.now(), width=invocation.width()
            )
            invocation.say(shown)
        return 0

    by_id = len(words) == 1 and names.looks_like_run(words[0])
    return invocation.with_access(chosen, one if by_id else many)
