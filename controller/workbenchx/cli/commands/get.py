"""`wbx get`: the tree of everything, a kind, or one resource."""

from typing import TYPE_CHECKING

import click

from workbenchx.cli import invocation, names, options, records
from workbenchx.cli.show import manifest, tree

if TYPE_CHECKING:
    from workbenchx import ports


@options.command("get")
@click.argument("words", nargs=-1, metavar="[KIND[/NAME]]")
@options.namespace
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), help="The whole document(s).")
@options.as_json
def command(
    context: click.Context,
    words: tuple[str, ...],
    *,
    namespace: str | None,
    output: str | None,
    as_json: bool,
) -> int:
    """Without arguments: the tree. KIND is a kind, its plural or its short name."""
    chosen = invocation.settings_of(context)
    wanted = names.parse(words, namespace)
    form = "json" if as_json else output

    async def work(access: "ports.Access") -> int:
        rows = await records.resources(access)
        if wanted.name is not None:
            key = names.choose(wanted, map(names.key_of, rows))
            document = manifest.of(await records.resource(access, key), now=access.clock.now())
            invocation.say(manifest.text(document, form or "yaml", narrow=invocation.narrow()))
            return 0
        covered = set(names.matching(wanted, map(names.key_of, rows)))
        shown = [row for row in rows if names.key_of(row) in covered]
        if form:
            items = {"items": [records.item(row) for row in shown]}
            invocation.say(manifest.text(items, form, narrow=invocation.narrow()))
        elif shown:
            invocation.say(tree.render(shown, invocation.paint(chosen), width=invocation.width()))
        invocation.tell(tree.summary(shown))
        return 0

    return invocation.with_access(chosen, work)
