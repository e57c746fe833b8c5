"""Mirror, reconcile, report: what `up`, `apply` and `confirm` have in common."""

import asyncio
import pathlib
from typing import TYPE_CHECKING

from workbenchx.cli import interrupts, invocation, records, waiting
from workbenchx.cli.show import problems, tree

if TYPE_CHECKING:
    from workbenchx import ports
    from workbenchx.declared import validate
    from workbenchx.wiring import app as wiring
    from workbenchx.wiring import settings


async def mirror(app: "wiring.App", target: pathlib.Path) -> bool:
    """Record what the files declare; print what is wrong with them. True: nothing is."""
    return _sound(await app.mirror(target))


def _sound(report: "validate.Report") -> bool:
    for line in problems.lines(report):
        invocation.tell(line)
    return not problems.wrong(report)


async def apply(
    app: "wiring.App",
    chosen: "settings.Settings",
    target: pathlib.Path,
    *,
    until: str,
    as_json: bool,
) -> int:
    """Mirror, reconcile until `until`, print the tree; 0 when the files are sound and all is as it should be."""
    read = await app.read(target)
    sound = _sound(read.report)
    stop, watcher = asyncio.Event(), waiting.Watcher(invocation.paint_errors(chosen))
    with interrupts.gently(stop.set):
        await app.reconcile(
            until=until,
            progress=lambda seen: watcher(seen.standings),
            stop=stop,
            reading=read.reading,
        )
    ready = await report(app, chosen, until, as_json=as_json)
    return 0 if sound and ready else 1


async def report(
    access: "ports.Access", chosen: "settings.Settings", until: str, *, as_json: bool = False
) -> bool:
    """Print the tree; whether all is as `until` asks: Ready, or (applied) nothing in need of a person."""
    if as_json:
        rows = await records.resources(access)
        invocation.answer({"items": [records.item(row) for row in rows]})
    else:
        rows = await access.reads.tree()
        invocation.say(tree.render(rows, invocation.paint(chosen), width=invocation.width()))
    invocation.tell(tree.summary(rows))
    if until == "settled":
        return all(row["ready"] for row in rows)
    return not any(records.needs_person(row) for row in rows)
