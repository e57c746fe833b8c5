"""`wbx why`: one sentence, from recorded facts."""

from typing import TYPE_CHECKING

import click

from workbenchx.cli import invocation, options, records
from workbenchx.cli.show import sentence

if TYPE_CHECKING:
    from workbenchx.wiring import app as wiring


@options.command("why")
@options.resource
@options.as_json
def command(
    context: click.Context, words: tuple[str, ...], *, namespace: str | None, as_json: bool
) -> int:
    """Exit 0 when there is such a resource, 1 when there is none."""
    chosen = invocation.settings_of(context)

    async def work(app: "wiring.App") -> int:
        facts = await records.facts(app, words, namespace)
        why = sentence.why(facts)
        if as_json:
            row = facts.row or {}
            invocation.answer(
                {
                    **records.named(facts.key),
                    **{name: row.get(name) for name in ("ready", "state", "reason", "message")},
                    "last_run_id": row.get("last_run_id"),
                    "why": why,
                }
            )
        else:
            invocation.say(why)
        return 0

    return invocation.with_app(chosen, work)
