"""The plan as Markdown for a comment on a pull request. Everything from outside is escaped, whatever it holds."""

from collections.abc import Iterator

from workbenchx.planner import model
from workbenchx.planner.render import words

_MOST_STEPS = 20
_MOST_WAITS = 20
_MOST_FIELDS = 10


def render(plan: model.Plan, *, link: str | None = None) -> str:
    """Counts, the first 20 steps (destroying ones first), what waits, and how to confirm."""
    return "\n".join(_lines(plan, link)) + "\n"


def _lines(plan: model.Plan, link: str | None) -> Iterator[str]:
    yield f"**{words.headline(plan)}**"
    if plan.cost_before or plan.cost_after:
        before, after = words.rate(plan.cost_before), words.rate(plan.cost_after)
        yield f"**Cost:** {before} → {after} USD an hour"
    if not plan.complete:
        yield f"**{words.INCOMPLETE}**"
    for sentence in words.budgets(plan):
        yield f"**Budget:** {escape(sentence)}"
    yield from _steps(plan)
    yield from _waits(plan)
    token = words.confirmation(plan)
    if token:
        yield ""
        yield f"To let happen what is held: `wbx confirm {token}`, or the commit trailer `WorkbenchX-Confirm: {token}`"
    if link:
        yield ""
        yield f"[The whole plan]({link})"


def _steps(plan: model.Plan) -> Iterator[str]:
    found = words.lines(plan.steps)
    if not found:
        return
    yield ""
    yield "| | what | why | where | fields |"
    yield "| --- | --- | --- | --- | --- |"
    for line in found[:_MOST_STEPS]:
        destroys = line.step.destructive and line.step.executable
        action = f"**{line.step.action.value}**" if destroys else line.step.action.value
        where = " ".join(part for part in (words.where(line.step), words.cost(line.step)) if part)
        cells = (
            escape(line.subject),
            escape(words.why(line)),
            escape(where),
            _fields(line.step),
        )
        yield f"| {action} | " + " | ".join(cells) + " |"
    if len(found) > _MOST_STEPS:
        yield ""
        yield f"… and {len(found) - _MOST_STEPS} more"


def _fields(step: model.Step) -> str:
    said = [
        f"{escape(change.path)}: {escape(words.value(change.before))} → {escape(words.value(change.after))}"
        for change in step.fields[:_MOST_FIELDS]
    ]
    if len(step.fields) > _MOST_FIELDS:
        said.append(f"… and {len(step.fields) - _MOST_FIELDS} more")
    return "<br>".join(said)


def _waits(plan: model.Plan) -> Iterator[str]:
    if not plan.waits:
        return
    yield ""
    yield "<details><summary>Waiting</summary>"
    yield ""
    for wait in plan.waits[:_MOST_WAITS]:
        said = f": {escape(wait.message)}" if wait.message else ""
        yield f"- {escape(words.name(wait.subject))}: {escape(wait.reason)}{said}"
    if len(plan.waits) > _MOST_WAITS:
        yield f"- … and {len(plan.waits) - _MOST_WAITS} more"
    yield ""
    yield "</details>"


def escape(text: str) -> str:
    """Text in which nothing is Markdown, HTML, a link or a mention: all but letters, digits and blanks as entities."""
    return "".join(
        character if character.isalnum() or character in " -/→…" else f"&#{ord(character)};"
        for character in words.plain(text)
    )
