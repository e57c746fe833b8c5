"""`wbx get`: the tree of everything, a kind, or one resource; now or at a time."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from workbenchx.cli import invocation, names, options, records
from workbenchx.cli.show import manifest, phrases, tree

if TYPE_CHECKING:
    from workbenchx import ports
    from workbenchx.wiring import settings


@options.command("get")
@click.argument("words", nargs=-1, metavar="[KIND[/NAME]]")
@options.namespace
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), help="The whole document(s).")
@options.at
@options.as_json
def command(
    context: click.Context,
    words: tuple[str, ...],
    *,
    namespace: str | None,
    output: str | None,
    said: str | None,
    as_json: bool,
) -> int:
    """Without arguments: the tree. KIND is a kind, its plural or its short name.

    With --at what was recorded then; a commit stands for the last moment at which it was the one in force.
    """
    chosen = invocation.settings_of(context)
    wanted = names.parse(words, namespace)
    form = "json" if as_json else output

    async def work(access: "ports.Access") -> int:
        if said is None:
            rows = await records.resources(access)
        else:
            at = await access.reads.moment(said)
            rows = await records.resources_at(access, at)
            invocation.tell(f"as it was at {phrases.moment(at)}")
        if wanted.name is not None:
            await _one(access, wanted, rows, form or "yaml", past=said is not None)
        else:
            _several(chosen, wanted, rows, form)
        return 0

    return invocation.with_access(chosen, work)


async def _one(
    access: "ports.Access",
    wanted: names.Wanted,
    rows: Sequence[records.Row],
    form: str,
    *,
    past: bool,
) -> None:
    key = names.choose(wanted, map(names.key_of, rows))
    if past:
        (row,) = [row for row in rows if names.key_of(row) == key]
    else:
        row = await records.resource(access, key)
    document = manifest.of(row, now=access.clock.now())
    invocation.say(manifest.text(document, form, narrow=invocation.narrow()))


def _several(
    chosen: "settings.Settings",
    wanted: names.Wanted,
    rows: Sequence[records.Row],
    form: str | None,
) -> None:
    covered = set(names.matching(wanted, map(names.key_of, rows)))
    shown = [row for row in rows if names.key_of(row) in covered]
    if form:
        items = {"items": [records.item(row) for row in shown]}
        invocation.say(manifest.text(items, form, narrow=invocation.narrow()))
    elif shown:
        invocation.say(tree.render(shown, invocation.paint(chosen), width=invocation.width()))
    invocation.tell(tree.summary(shown))
