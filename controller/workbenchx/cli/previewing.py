"""What `wbx plan` shows: the plan as it would be if the files were recorded as they are now."""

import importlib

from workbenchx.planner import model


def render(plan: model.Plan, form: str, *, colour: bool = False) -> str:
    """The plan as text, json or markdown; only text is coloured."""
    module = importlib.import_module(f"workbenchx.planner.render.{form}")
    shown: str = module.render(plan, colour=colour) if form == "text" else module.render(plan)
    return shown.rstrip("\n")
