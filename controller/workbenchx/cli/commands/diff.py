"""`wbx diff`: declared, recorded and observed fields of a resource."""

from typing import TYPE_CHECKING

import click

from workbenchx.cli import invocation, options, records
from workbenchx.cli.show import fields, table

if TYPE_CHECKING:
    from workbenchx import ports


@options.command("diff")
@options.resource
@click.option("--all", "everything", is_flag=True, help="Also the fields that agree.")
@options.as_json
def command(
    context: click.Context,
    words: tuple[str, ...],
    *,
    namespace: str | None,
    everything: bool,
    as_json: bool,
) -> int:
    """Declared is what the files said when they were last read. Exit 0: all agree; 1: something differs."""
    chosen = invocation.settings_of(context)

    async def work(access: "ports.Access") -> int:
        key = await records.find(access, words, namespace)
        rows = fields.compare(*await records.sides(access, key))
        differing = [row for row in rows if not row["same"]]
        if as_json:
            invocation.answer({**records.named(key), "fields": rows})
        elif not differing and not everything:
            invocation.say(f"{key}: {len(rows)} declared fields agree")
        else:
            shown = rows if everything else differing
            headers = ("FIELD", "DECLARED", "RECORDED", "OBSERVED")
            lines = [fields.line(row) for row in shown]
            invocation.say(table.render(headers, lines, invocation.paint(chosen)))
        return 1 if differing else 0

    return invocation.with_access(chosen, work)
