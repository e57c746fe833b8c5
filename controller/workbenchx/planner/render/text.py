"""The plan as text for a terminal."""

from collections.abc import Iterator

from workbenchx.planner import model
from workbenchx.planner.render import words

_SIGNS = {
    model.Action.CREATE: "+",
    model.Action.UPDATE: "~",
    model.Action.REPLACE: "±",
    model.Action.DELETE: "-",
    model.Action.ADOPT: "=",
    model.Action.FORGET: "x",
    model.Action.RUN: ">",
    model.Action.STOP: "#",
    model.Action.HOLD: "!",
}
_COLOURS = {"+": "32", "~": "33", "±": "31", "-": "31", "x": "31", "#": "33", "!": "35", ">": "36"}


def render(plan: model.Plan, *, colour: bool = False) -> str:
    """Counts, cost, steps with their fields, what waits and why, and how to let happen what is held."""
    return "\n".join(_lines(plan, colour=colour))


def _lines(plan: model.Plan, *, colour: bool) -> Iterator[str]:
    yield words.headline(plan)
    if plan.cost_before or plan.cost_after:
        yield f"Cost: {words.rate(plan.cost_before)} → {words.rate(plan.cost_after)} USD an hour"
    if not plan.complete:
        yield words.INCOMPLETE
    yield from words.budgets(plan)
    yield from _steps(plan, colour=colour)
    yield from _waits(plan)
    token = words.confirmation(plan)
    if token:
        yield ""
        yield f"To let happen what is held: wbx confirm {token}"


def _steps(plan: model.Plan, *, colour: bool) -> Iterator[str]:
    found = words.lines(plan.steps)
    if found:
        yield ""
    width = min(max((len(line.subject) for line in found), default=0), 48)
    for line in found:
        yield _step(line, width, colour=colour)
        for change in line.step.fields:
            before, after = words.value(change.before), words.value(change.after)
            yield f"      {words.plain(change.path)}: {before} → {after}"


def _step(line: words.Line, width: int, *, colour: bool) -> str:
    sign = _SIGNS[line.step.action]
    head = f"{sign} {line.step.action.value:<7}"
    if colour and sign in _COLOURS:
        head = f"\x1b[{_COLOURS[sign]}m{head}\x1b[0m"
    parts = [words.why(line), words.where(line.step), words.cost(line.step)]
    said = "  ".join(part for part in parts if part)
    mark = "  destroys" if line.step.destructive and line.step.executable else ""
    return f"{head} {line.subject:<{width}}  {said}{mark}".rstrip()


def _waits(plan: model.Plan) -> Iterator[str]:
    if not plan.waits:
        return
    yield ""
    yield "Waiting:"
    for wait in plan.waits:
        until = f" (until {words.moment(wait.until)})" if wait.until else ""
        said = f": {words.plain(wait.message)}" if wait.message else ""
        yield f"  {words.name(wait.subject)}  {wait.reason}{said}{until}"
