"""A checked change: for a terminal, as Markdown for a job's summary, and as JSON."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from workbenchx.cli.show import phrases, problems, style
from workbenchx.declared import problem
from workbenchx.planner import model, review
from workbenchx.planner.render import json as plan_json
from workbenchx.planner.render import markdown, text, words
from workbenchx.wiring import checking

NOT_READ = "not read"


class Remark(NamedTuple):
    """One thing to be said at a line of a file. Without a line, or without a path, it is of the whole."""

    path: str
    line: int
    column: int
    level: str
    rule: str
    subject: str
    message: str


def remarks(found: checking.Checked) -> list[Remark]:
    """Everything that is wrong or dangerous, by place; what a document no longer declares has none.

    A refusal that follows from what is wrong in the document is not said again.
    """
    places = {
        model.Key(item.kind, item.namespace, item.name): (item.path, item.line)
        for item in found.report.documents
    }
    said = [
        Remark(
            item.path, item.line, item.column, item.severity, "Invalid", item.subject, item.message
        )
        for item in found.report.problems
    ]
    wrong = {item.subject for item in found.report.problems}
    for item in found.findings:
        if item.level is review.Level.ERROR and str(item.subject) in wrong:
            continue
        path, line = places.get(item.subject, ("", 0))
        column = 1 if line else 0
        said.append(
            Remark(path, line, column, item.level.value, item.rule, str(item.subject), item.text)
        )
    return sorted(said)


def refused(found: checking.Checked) -> int:
    """How many things make the change not acceptable."""
    return sum(item.level == problem.Severity.ERROR.value for item in remarks(found))


def verdict(found: checking.Checked) -> str:
    """`acceptable`, or how many things speak against it."""
    wrong = refused(found)
    return f"not acceptable: {phrases.count(wrong, 'error')}" if wrong else "acceptable"


def state(found: checking.Checked) -> str:
    """What the plan is made against."""
    if found.read:
        return "state: read"
    return (
        f"state: {NOT_READ} (from commit {(found.base or '')[:12]}, as if all had gone well there)"
    )


def as_text(found: checking.Checked, paint: style.Style) -> Iterator[str]:
    """Lines for a terminal."""
    yield state(found)
    yield from problems.lines(found.report, paint)
    yield text.render(found.plan, colour=paint.colour).rstrip("\n")
    for item in found.findings:
        yield f"{item.level.value}: {words.name(item.subject)}: {words.plain(item.text)}"
    yield verdict(found)


def as_markdown(found: checking.Checked) -> str:
    """The same for a summary; nothing from outside is Markdown there."""
    lines = [f"### WorkbenchX: {verdict(found)}", "", state(found), ""]
    for item in remarks(found):
        place = f"{item.path}:{item.line}" if item.line else item.path or "not declared any more"
        said = f"{item.subject}: {item.message}" if item.subject else item.message
        lines.append(f"- **{item.level}** {markdown.escape(place)} {markdown.escape(said)}")
    return "\n".join([*lines, "", markdown.render(found.plan)])


def as_json(found: checking.Checked) -> dict[str, Any]:
    """The answer for programs."""
    return {
        "acceptable": not refused(found),
        "state": "read" if found.read else NOT_READ,
        "base": found.base,
        "problems": problems.plain(found.report),
        "findings": [
            {
                "path": item.path or None,
                "line": item.line or None,
                "level": item.level,
                "rule": item.rule,
                "subject": item.subject or None,
                "message": item.message,
            }
            for item in remarks(found)
        ],
        "plan": plan_json.document(found.plan),
    }
