"""What `wbx plan` shows: the plan as it would be if the files were recorded as they are now."""

import importlib
import pathlib
from typing import TYPE_CHECKING

from workbenchx.planner import model

if TYPE_CHECKING:
    from workbenchx.declared import validate
    from workbenchx.wiring import app as wiring


async def preview(app: "wiring.App", path: pathlib.Path) -> "tuple[model.Plan, validate.Report]":
    """The plan, and what is wrong with the files. Writes nothing."""
    from workbenchx.engine import mirror  # noqa: PLC0415 - --help needs none of it
    from workbenchx.planner import plan as planner  # noqa: PLC0415 - the same
    from workbenchx.wiring import declaring  # noqa: PLC0415 - the same

    world = await app.store.world(now=app.clock.now(), policy=app.policy)
    scope = declaring.scope_of(app.settings.root, path)
    known = await app.reads.declared_specs(outside=scope)
    read = await declaring.read(None, app.settings.root, path, known=known)
    return planner.plan(mirror.swap(world, read.reading)), read.report


def render(plan: model.Plan, form: str, *, colour: bool = False) -> str:
    """The plan as text, json or markdown; only text is coloured."""
    module = importlib.import_module(f"workbenchx.planner.render.{form}")
    shown: str = module.render(plan, colour=colour) if form == "text" else module.render(plan)
    return shown.rstrip("\n")
