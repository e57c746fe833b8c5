"""`wbx sync`: look at a followed repository now, instead of at its next poll."""

from typing import TYPE_CHECKING

import click

from workbenchx.cli import explaining, failure, invocation, options, records, syncing

if TYPE_CHECKING:
    from workbenchx import ports


@options.command("sync")
@click.argument("words", nargs=-1, metavar="[Source/NAME]")
@options.namespace
@options.as_json
def command(
    context: click.Context, words: tuple[str, ...], *, namespace: str | None, as_json: bool
) -> int:
    """Without a name: the repository that wbx up was given. Exit 0: its newest commit is in force as a whole; 1: it is not."""
    chosen = invocation.settings_of(context)

    async def work(access: "ports.Access") -> int:
        if not words:
            return await syncing.given(access, chosen, as_json=as_json)
        key = await records.find(access, words, namespace)
        if key.kind != "Source":
            raise failure.Failure(f"{key} is no Source", hint="wbx get sources lists them")
        row = await access.reads.resource(key)
        if row["state"] == "Suspended":
            raise failure.Failure(f"{key} is suspended", hint=f"wbx resume {key}")
        await syncing.ordered(access, chosen, key)
        facts = await records.facts_after(access, key)
        explaining.say(facts, as_json=as_json)
        return 0 if facts.row and facts.row["ready"] else 1

    return invocation.with_access(chosen, work)
