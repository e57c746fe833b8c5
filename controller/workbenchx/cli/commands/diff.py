"""`wbx diff`: declared, recorded and observed fields of a resource; or what was in force at a time, and now."""

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from workbenchx.cli import invocation, names, options, records
from workbenchx.cli.show import fields, phrases, table

if TYPE_CHECKING:
    from workbenchx import ports
    from workbenchx.planner import model
    from workbenchx.wiring import settings

_SIDES = ("declared", "recorded", "observed")
_TIMES = ("then", "now")


@options.command("diff")
@options.resource
@click.option("--all", "everything", is_flag=True, help="Also the fields that agree.")
@options.at
@options.as_json
def command(
    context: click.Context,
    words: tuple[str, ...],
    *,
    namespace: str | None,
    everything: bool,
    said: str | None,
    as_json: bool,
) -> int:
    """Declared is what the files said when they were last read. Exit 0: all agree; 1: something differs.

    With --at what was recorded then beside what is recorded now.
    """
    chosen = invocation.settings_of(context)

    async def work(access: "ports.Access") -> int:
        if said is None:
            key = await records.find(access, words, namespace)
            rows = fields.compare(*await records.sides(access, key))
            answer: dict[str, Any] = {**records.named(key), "fields": rows}
        else:
            at = await access.reads.moment(said)
            key, then, now = await _versions(access, names.one(words, namespace), at)
            rows = fields.between(fields.version(then), fields.version(now))
            answer = {
                **records.named(key),
                "at": at,
                "then": fields.validity(then),
                "now": fields.validity(now),
                "fields": rows,
            }
            invocation.tell(f"then: {phrases.moment(at)}")
        if as_json:
            invocation.answer(answer)
        else:
            _show(chosen, key, rows, _SIDES if said is None else _TIMES, everything=everything)
        return 0 if all(row["same"] for row in rows) else 1

    return invocation.with_access(chosen, work)


async def _versions(
    access: "ports.Access", wanted: names.Wanted, at: datetime.datetime
) -> tuple["model.Key", records.Row | None, records.Row | None]:
    """The resource, and its rows then and now; None: it did not live."""
    past = {names.key_of(row): row for row in await records.resources_at(access, at)}
    living = [names.key_of(row) for row in await records.resources(access)]
    key = names.choose(wanted, past.keys() | set(living))
    now = await records.resource(access, key) if key in living else None
    return key, past.get(key), now


def _show(
    chosen: "settings.Settings",
    key: "model.Key",
    rows: Sequence[dict[str, Any]],
    sides: Sequence[str],
    *,
    everything: bool,
) -> None:
    differing = [row for row in rows if not row["same"]]
    if not differing and not everything:
        what = "declared fields agree" if sides is _SIDES else "fields are as they were"
        invocation.say(f"{key}: {len(rows)} {what}")
        return
    shown = rows if everything else differing
    headers = ("FIELD", *(side.upper() for side in sides))
    lines = [fields.line(row, sides) for row in shown]
    invocation.say(table.render(headers, lines, invocation.paint(chosen)))
