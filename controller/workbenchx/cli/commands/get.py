"""`wbx get`: the tree of everything, a kind, or one resource; now or at a time."""

import datetime
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
        at = None if said is None else await access.reads.moment(said)
        if at is not None:
            invocation.tell(f"as it was at {phrases.moment(at)}")
        if wanted.name is not None:
            row = await _one(access, wanted, at)
            document = manifest.of(row, now=access.clock.now())
            invocation.say(manifest.text(document, form or "yaml", narrow=invocation.narrow()))
        else:
            _several(chosen, wanted, await _rows(access, wanted, at), form)
        return 0

    return invocation.with_access(chosen, work)


async def _one(
    access: "ports.Access", wanted: names.Wanted, at: datetime.datetime | None
) -> records.Row:
    """The one resource that is wanted, as it is or was."""
    if at is None:
        words = [str(wanted)]
        return await records.resource(access, await records.find(access, words, wanted.namespace))
    rows = {names.key_of(row): row for row in await records.resources_at(access, at)}
    return rows[names.choose(wanted, rows)]


async def _rows(
    access: "ports.Access", wanted: names.Wanted, at: datetime.datetime | None
) -> list[records.Row]:
    """What is wanted, and perhaps more."""
    if at is None:
        return await records.resources(access, kind=wanted.kind, namespace=wanted.namespace)
    return await records.resources_at(access, at)


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
