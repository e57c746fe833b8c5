"""Mirror, reconcile, report: what `up`, `apply` and `confirm` have in common."""

import asyncio
import pathlib
from typing import TYPE_CHECKING, Any

from workbenchx.cli import interrupts, invocation, records
from workbenchx.cli.show import changes, problems, style, tree
from workbenchx.planner import model

if TYPE_CHECKING:
    from workbenchx.wiring import app as wiring
    from workbenchx.wiring import running, settings


class Watcher:
    """Prints one line on stderr for each change that a pass brought."""

    def __init__(self, paint: style.Style) -> None:
        self._paint = paint
        self._before: dict[model.Key, changes.Standing] | None = None

    def __call__(self, progress: "running.Progress") -> None:
        """See one pass."""
        after = changes.standings(progress.last.world.recorded)
        if self._before is not None:
            for line in changes.lines(self._before, after, self._paint):
                invocation.tell(line)
        self._before = after


async def mirror(app: "wiring.App", target: pathlib.Path) -> bool:
    """Record what the files declare; print what is wrong with them. True: nothing is."""
    report = await app.mirror(target)
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
    sound = await mirror(app, target)
    await reconcile(app, chosen, until)
    ready = await report(app, chosen, until, as_json=as_json)
    return 0 if sound and ready else 1


async def reconcile(app: "wiring.App", chosen: "settings.Settings", until: str | None) -> None:
    """Work until `until`; the first Ctrl-C ends it in good order, and the command exits 130."""
    stop = asyncio.Event()
    watcher = Watcher(invocation.paint_errors(chosen))
    with interrupts.gently(stop.set):
        await app.reconcile(until=until, progress=watcher, stop=stop)


async def until_ended(app: "wiring.App", chosen: "settings.Settings", run_id: str) -> None:
    """Work, or follow whoever works, until the run has ended."""
    stop = asyncio.Event()
    watcher = Watcher(invocation.paint_errors(chosen))

    def progress(seen: "running.Progress") -> None:
        watcher(seen)
        runs = {run.run_id: run for run in seen.last.world.executions}
        if run_id not in runs or not runs[run_id].state.open:
            stop.set()

    with interrupts.gently(stop.set):
        await app.reconcile(until=None, progress=progress, stop=stop)


async def reproduce(app: "wiring.App", chosen: "settings.Settings", run_id: str) -> dict[str, Any]:
    """Run the order of an ended run again, to its end; the new run."""
    again = await app.reproduce(run_id)
    await until_ended(app, chosen, again)
    return await app.reads.run(again)


async def report(
    app: "wiring.App", chosen: "settings.Settings", until: str, *, as_json: bool = False
) -> bool:
    """Print the tree; whether all is as `until` asks: Ready, or (applied) nothing in need of a person."""
    rows = await records.resources(app)
    if as_json:
        invocation.answer({"items": [records.item(row) for row in rows]})
    else:
        invocation.say(tree.render(rows, invocation.paint(chosen), width=invocation.width()))
    invocation.tell(tree.summary(rows))
    if until == "settled":
        return all(row["ready"] for row in rows)
    return not any(records.needs_person(row) for row in rows)
