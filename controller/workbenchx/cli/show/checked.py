"""A checked change: for a terminal, as Markdown for a job's summary, and as JSON."""

from collections.abc import Iterator
from typing import Any

from workbenchx.cli.show import phrases, problems, style
from workbenchx.engine.reviewing import remarking
from workbenchx.planner import model
from workbenchx.planner.render import json as plan_json
from workbenchx.planner.render import markdown, text, words
from workbenchx.wiring import checking

NOT_READ = "not read"


Remark = remarking.Remark


def remarks(found: checking.Checked) -> list[Remark]:
    """Everything that is wrong or dangerous, by place."""
    return remarking.of(found.report.problems, found.findings, _places(found))


def _places(found: checking.Checked) -> dict[model.Key, tuple[str, int]]:
    return {
        model.Key(item.kind, item.namespace, item.name): (item.path, item.line)
        for item in found.report.documents
    }


def refused(found: checking.Checked) -> int:
    """How many things make the change not acceptable."""
    return remarking.refusing(remarks(found))


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
    places = _places(found)
    for item in found.findings:
        path, line = places.get(item.subject, ("", 0))
        place = f"{words.plain(path)}:{line}: " if path else ""
        said = f"{words.name(item.subject)}: {words.plain(item.text)}"
        yield f"{item.level.value}: {place}{said}"
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
