"""What a pull request says: what is wrong, the plan before and after, what it costs, how to undo it.

Everything that comes from documents, providers and programs is escaped: it can close no table, mention nobody, link nowhere.
"""

import json
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from workbenchx.fixbot import findings, rehearsing, rules, scenes
from workbenchx.planner import diff, model
from workbenchx.planner.render import markdown, words

MARKER = "<!-- workbenchx-fixbot {} -->"
_FOOT = (
    "Made by FixBot (rule `{}`, fingerprint `{}`). Close it, and it is quiet for 30 days. Push a commit to its branch, and"
    " it is yours. It closes by itself when its cause is gone."
)
_MOST_STEPS = 20
_MOST_FINDINGS = 50


def title(group: Sequence[findings.Finding]) -> str:
    """One line: the rule and what it is about."""
    first = group[0]
    if len(group) == 1:
        named = (each for each in first.edits if each.change is not findings.Change.REPLACE)
        field = ", ".join(edit.spelled for edit in named) or first.field
        return f"{first.rule}: {first.key}: {field}"
    return f"{first.rule}: {rules.BY_NAME[first.rule].TOGETHER.format(len(group))}"


def render(
    scene: scenes.Scene,
    group: Sequence[findings.Finding],
    tried: rehearsing.Rehearsal,
    fingerprint: str,
) -> str:
    """The body in Markdown."""
    parts = [
        MARKER.format(fingerprint),
        *_causes(scene, group),
        *_before(group, tried),
        *_after(tried),
        *_ways(group),
        "---",
        _FOOT.format(group[0].rule, fingerprint[:12]),
    ]
    return "\n\n".join(parts) + "\n"


def _causes(scene: scenes.Scene, group: Sequence[findings.Finding]) -> Iterator[str]:
    yield "### What is wrong"
    for item in group[:_MOST_FINDINGS]:
        yield _cause(scene, item)
    if len(group) > _MOST_FINDINGS:
        yield f"… and {len(group) - _MOST_FINDINGS} more"


def _cause(scene: scenes.Scene, item: findings.Finding) -> str:
    written = scene.documents.get(item.key)
    place = f"{written.path}:{written.line}" if written else "in no file"
    edits = "<br>".join(f"{_escaped(edit.spelled)}: {_value(scene, edit)}" for edit in item.edits)
    lines = [
        f"**{_escaped(str(item.key))}** ({_escaped(place)}): {_escaped(item.cause)}",
        "",
        _escaped(item.remedy),
        "",
        "| | |",
        "| --- | --- |",
        f"| change | {edits} |",
    ]
    if item.run_ids:
        runs = ", ".join(f"`{run_id}`" for run_id in item.run_ids)
        lines.append(f"| runs | {runs} |")
    return "\n".join([*lines, *_quoted(item.quoted)])


def _quoted(text: str) -> list[str]:
    """Words of somebody else as an indented block: forges look for mentions and links in the text that they show, but not there."""
    if not text:
        return []
    lines = (line for part in text.splitlines() for line in textwrap.wrap(words.plain(part), 100))
    return [
        "",
        "The words of the model, which nobody has checked:",
        "",
        *(f"    {line}" for line in lines),
    ]


def _value(scene: scenes.Scene, edit: findings.Edit) -> str:
    """Before → after, secrets masked; of a text how long, since the change itself shows it."""
    if edit.change is findings.Change.REPLACE:
        return " → ".join(f"{len(text.splitlines())} lines" for text in edit.value)
    if edit.change is findings.Change.RENAME:
        return f"called {_escaped(edit.value)}"
    written = scene.documents.get(edit.key)
    before: Any = written.body if written else None
    for part in edit.field:
        try:
            before = before[part] if before is not None else None
        except (KeyError, IndexError, TypeError):
            before = None
    after = edit.value
    if edit.change is findings.Change.APPEND:
        after = [*(before or ()), edit.value]
    return f"{_shown(before)} → {_shown(after)}"


def _shown(value: Any) -> str:
    hidden = diff.masked({"value": value})["value"]
    text = "(none)" if hidden is None else json.dumps(hidden, ensure_ascii=False, sort_keys=True)
    return _escaped(text)


def _before(group: Sequence[findings.Finding], tried: rehearsing.Rehearsal) -> Iterator[str]:
    """How the plan tells of what is wrong now."""
    keys = {item.key for item in group}
    lines = [
        *(
            f"- {_escaped(str(wait.subject))}: {_escaped(wait.reason)}: {_escaped(wait.message)}"
            for wait in tried.before.waits
            if wait.subject in keys
        ),
        *(
            f"- {_escaped(str(step.subject))}: {_step(step)}"
            for step in tried.before.steps
            if step.subject in keys
        ),
        *(
            f"- {_escaped(str(verdict.key))}: not Ready: {_escaped(verdict.reason)}"
            + (f": {_escaped(verdict.message)}" if verdict.message else "")
            for verdict in tried.before.verdicts
            if verdict.key in keys and not verdict.ready
        ),
    ]
    yield "### The plan now"
    yield "\n".join(lines[:_MOST_STEPS]) or "It is in force as it is declared."


def _after(tried: rehearsing.Rehearsal) -> Iterator[str]:
    """What the merge would do beyond what happens anyway."""
    known = set(map(_mark, tried.before.steps))
    new = [step for step in tried.after.steps if _mark(step) not in known]
    yield "### The plan after the merge"
    if tried.refusal:
        yield f"It is not proposed: {_escaped(tried.refusal)}."
        return
    lines = [f"- {_escaped(str(step.subject))}: {_step(step)}" for step in new[:_MOST_STEPS]]
    if len(new) > _MOST_STEPS:
        lines.append(f"- … and {len(new) - _MOST_STEPS} more")
    yield "\n".join(lines) or "Nothing beyond what happens anyway."
    before, after = words.rate(tried.before.cost_after), words.rate(tried.after.cost_after)
    yield f"Cost: {before} → {after} USD an hour."


def _mark(step: model.Step) -> tuple[Any, ...]:
    return step.action, step.subject, step.because, step.holds, repr(step.fields)


def _step(step: model.Step) -> str:
    """One step in words; a held one says so."""
    what = f"{step.holds.value} is held" if step.holds else step.action.value
    destroys = ", destroys what there is" if step.destructive and step.executable else ""
    fields = "; ".join(
        f"{_escaped(each.path)}: {_escaped(words.value(each.before))} → {_escaped(words.value(each.after))}"
        for each in step.fields[:5]
    )
    return f"{what} ({step.because.value}{destroys})" + (f": {fields}" if fields else "")


def _ways(group: Sequence[findings.Finding]) -> Iterator[str]:
    yield "### How to undo it, and what else to do"
    yield "Revert the commit of the merge; the plan of that pull request shows what it does."
    said = dict.fromkeys(item.instead for item in group if item.instead)
    if said:
        yield "Instead: " + " ".join(_escaped(text) for text in said)


def _escaped(text: str) -> str:
    """Text that is only text, but legible: code marks stay where we set them ourselves."""
    return markdown.escape(text)
