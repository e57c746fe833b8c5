"""A change tried out before anybody hears of it: the files as they would be, checked and planned."""

import dataclasses
from collections.abc import Iterable, Mapping

from workbenchx import errors
from workbenchx.api import reasons
from workbenchx.declared import problem
from workbenchx.fixbot import editing, findings, rules, scenes
from workbenchx.fixbot.rules import write_fix
from workbenchx.planner import model, review


@dataclasses.dataclass(frozen=True, slots=True)
class Rehearsal:
    """What the edits come to. `refusal`: why they must not be proposed; "": they may."""

    changes: Mapping[str, bytes]
    before: model.Plan
    after: model.Plan
    refusal: str = ""


def rehearse(scene: scenes.Scene, group: Iterable[findings.Finding]) -> Rehearsal:
    """Make the edits of a group of findings in memory; see that each finding is gone and nothing new is wrong."""
    found = list(group)
    try:
        changes = editing.apply(scene, [edit for item in found for edit in item.edits])
    except errors.Stalled as refused:
        return Rehearsal({}, scene.plan, scene.plan, refused.message)
    if not changes:
        return Rehearsal({}, scene.plan, scene.plan, "it changes nothing")
    then = after(scene, changes)
    refusal = (
        _flaws(scene, then, changes)
        or _beyond(scene, then, found)
        or _stays(then, found)
        or _worse(scene, then)
    )
    return Rehearsal(changes, scene.plan, then.plan, refusal)


def after(scene: scenes.Scene, changes: Mapping[str, bytes]) -> scenes.Scene:
    """The scene once the changed files are in force."""
    files = {path: changes.get(path, data) for path, data in scene.files.items()}
    scripts = {path: changes.get(path, data) for path, data in scene.scripts.items()}
    changed = dataclasses.replace(scene, files=files, scripts=scripts)
    report = scenes.check(changed, changes)
    kept = [
        row
        for row in scene.world.declared
        if row.source.source != scene.source or row.source.path not in changes
    ]
    rows = scenes.rows(report.documents, scene.source, scene.declared)
    world = dataclasses.replace(scene.world, declared=(*kept, *rows))
    return dataclasses.replace(changed, world=world)


def _flaws(scene: scenes.Scene, then: scenes.Scene, changes: Mapping[str, bytes]) -> str:
    """What validation refuses that it did not refuse before."""
    known = {_error(item) for item in scenes.check(scene, changes).problems}
    for item in scenes.check(then, changes).problems:
        if item.severity == problem.Severity.ERROR and _error(item) not in known:
            return f"validation would refuse it: {item}"
    return ""


def _error(item: problem.Problem) -> tuple[str, str, str]:
    return item.path, item.subject, item.field


def _beyond(scene: scenes.Scene, then: scenes.Scene, found: Iterable[findings.Finding]) -> str:
    """What a change that a model wrote may not do, though others may."""
    for item in found:
        if item.rule == write_fix.NAME and (said := write_fix.beyond(scene, then, item.key)):
            return said
    return ""


def _stays(then: scenes.Scene, found: Iterable[findings.Finding]) -> str:
    """Whether what was wrong is still found after the change."""
    for item in found:
        left = {each.place for each in rules.BY_NAME[item.rule].find(then)}
        if item.place in left:
            return f"{item.key}: {item.field} would still be wrong"
    return ""


def _worse(scene: scenes.Scene, then: scenes.Scene) -> str:
    """What the plan would refuse or hold that it did not before. Who was refused may be refused for the next cause.

    A month over its budget is for the reviewer, whom the check of the pull request tells.
    """
    known = {_trouble(each) for each in review.findings(scene.plan)}
    for each in review.findings(then.plan, scene.plan):
        if each.rule == reasons.Reason.BUDGET_EXCEEDED:
            continue
        if each.level is review.Level.ERROR and _trouble(each) not in known:
            return f"the plan would refuse it: {each.subject}: {each.text}"
    return ""


def _trouble(found: review.Finding) -> tuple[model.Key, bool]:
    return found.subject, found.rule == "Held"
