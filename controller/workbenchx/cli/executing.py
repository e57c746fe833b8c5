"""Runs that a person ordered of a resource: waited for, one after the other, and told."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from workbenchx.cli import invocation, records, waiting
from workbenchx.cli.show import runs

if TYPE_CHECKING:
    from workbenchx import ports
    from workbenchx.planner import model
    from workbenchx.wiring import settings

Row = dict[str, Any]
_MOST = 1000


async def of(access: "ports.Access", key: "model.Key") -> list[Row]:
    """The runs of a resource, the latest first."""
    return await access.reads.runs(**key._asdict(), limit=_MOST)


async def ended(
    access: "ports.Access",
    chosen: "settings.Settings",
    key: "model.Key",
    wanted: Callable[[Sequence[Row]], list[Row]],
    count: int,
) -> list[Row]:
    """The runs that `wanted` picks, once there are `count` and none is open; fewer where nothing starts any more."""
    quiet: list[str] | None = None
    while True:
        rows = await of(access, key)
        found = wanted(rows)
        open_ = [row for row in rows if records.is_open(row)]
        seen = [str(row["run_id"]) for row in rows]
        if not open_ and (len(found) >= count or seen == quiet):
            return found
        quiet = None if open_ else seen
        if open_:
            await waiting.until_ended(access, chosen, str(open_[-1]["run_id"]))
        else:
            await waiting.until_applied(access, chosen, [key])


def tell(
    access: "ports.Access",
    chosen: "settings.Settings",
    key: "model.Key",
    found: Sequence[Row],
    *,
    as_json: bool,
) -> None:
    """A table of runs; as JSON with the resource that they are of."""
    if as_json:
        items = [runs.plain(row) for row in found]
        invocation.answer({**records.named(key), "items": items})
    elif found:
        now = access.clock.now()
        invocation.say(runs.listing(found, invocation.paint(chosen), now, width=invocation.width()))
