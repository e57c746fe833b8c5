"""Wait for what was ordered, and tell on stderr what changes meanwhile.

The embedded installation is worked on while waiting; through the API the command only follows.
"""

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING

from workbenchx.cli import interrupts, invocation
from workbenchx.cli.show import changes, style
from workbenchx.planner import model

if TYPE_CHECKING:
    from workbenchx import ports
    from workbenchx.wiring import settings


class Watcher:
    """Prints one line on stderr for each change between two looks."""

    def __init__(self, paint: style.Style) -> None:
        self._paint = paint
        self._before: ports.Standings | None = None

    def __call__(self, after: "ports.Standings") -> None:
        """See how things stand now."""
        if self._before is not None:
            for line in changes.lines(self._before, after, self._paint):
                invocation.tell(line)
        self._before = after


async def until_applied(
    access: "ports.Access", chosen: "settings.Settings", keys: Collection[model.Key]
) -> None:
    """Until what was ordered is in force; the first Ctrl-C ends it in good order, and the command exits 130."""
    stop, watcher = asyncio.Event(), Watcher(invocation.paint_errors(chosen))
    with interrupts.gently(stop.set):
        await access.until_applied(keys, watcher, stop)


async def until_ended(access: "ports.Access", chosen: "settings.Settings", run_id: str) -> None:
    """Until the run has ended."""
    stop, watcher = asyncio.Event(), Watcher(invocation.paint_errors(chosen))
    with interrupts.gently(stop.set):
        await access.until_ended(run_id, watcher, stop)
