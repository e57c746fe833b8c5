"""`wbx why`: one sentence, from recorded facts."""

from typing import TYPE_CHECKING

import click

from workbenchx.cli import explaining, invocation, options, records

if TYPE_CHECKING:
    from workbenchx import ports


@options.command("why")
@options.resource
@options.as_json
def command(
    context: click.Context, words: tuple[str, ...], *, namespace: str | None, as_json: bool
) -> int:
    """Exit 0 when there is such a resource, 1 when there is none."""
    chosen = invocation.settings_of(context)

    async def work(access: "ports.Access") -> int:
        facts = await records.facts(access, words, namespace)
        explaining.say(facts, as_json=as_json)
        return 0

    return invocation.with_access(chosen, work)
