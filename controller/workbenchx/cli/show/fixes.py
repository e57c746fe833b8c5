"""What `wbx fix` shows: findings, their changes, and the pull requests of FixBot."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from workbenchx.cli.show import style, table
from workbenchx.fixbot import editing, findings, proposal, rules, scenes
from workbenchx.planner.render import words

_ROW = (
    "id", "state", "title", "project", "branch", "url", "snoozed_until", "created_at", "updated_at",
)  # fmt: skip


class Found(NamedTuple):
    """The answer. `read`: it is against what is recorded. `unknown`: what registries could not say. `rows`: pull requests."""

    scene: scenes.Scene
    causes: Sequence[findings.Finding]
    proposals: Sequence[proposal.Proposal]
    unknown: Sequence[str]
    rows: Sequence[Mapping[str, Any]]
    read: bool

    def of(self, item: findings.Finding) -> proposal.Proposal | None:
        """The proposal that a finding is in."""
        return next((made for made in self.proposals if item in made.findings), None)


def judge(
    scene: scenes.Scene,
    names: Sequence[str],
    unknown: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    *,
    read: bool,
) -> Found:
    """Find, and try out every change."""
    found = rules.find(scene, names)
    return Found(scene, found, proposal.all_of(scene, found), unknown, rows, read)


def as_text(found: Found, paint: style.Style) -> Iterator[str]:
    """A paragraph for each finding, then the pull requests."""
    if not found.read:
        yield "state: not read"
    if not found.causes:
        yield "Nothing is wrong that a change of the files would mend."
    for item in found.causes:
        yield from _paragraph(found, item, paint)
    if found.rows:
        yield ""
        lines = [
            (str(row["id"]), str(row["state"]), words.plain(row["title"]), str(row["url"] or ""))
            for row in found.rows
        ]
        yield table.render(("ID", "STATE", "PULL REQUEST", "URL"), lines, paint)


def _paragraph(found: Found, item: findings.Finding, paint: style.Style) -> Iterator[str]:
    written = found.scene.documents.get(item.key)
    place = f"  {written.path}:{written.line}" if written else ""
    yield f"{paint.paint(item.rule, 'bad')}  {item.key}  {item.field}{place}"
    yield f"  {words.plain(item.cause)}"
    yield f"  {words.plain(item.remedy)}"
    for edit in item.edits:
        yield f"    {edit.spelled}: {_change_of(edit)}"
    made = found.of(item)
    if made is not None and made.refusal:
        yield f"  not proposed: {words.plain(made.refusal)}"


def _change_of(edit: findings.Edit) -> str:
    if edit.change is findings.Change.DELETE:
        return "(removed)"
    if edit.change is findings.Change.RENAME:
        return f"(called {edit.value})"
    return words.value(edit.value)


def as_patch(found: Found) -> str:
    """The changes that may be made, as one patch of the files as they are."""
    good = [made for made in found.proposals if not made.refusal]
    edits = [edit for made in good for item in made.findings for edit in item.edits]
    return editing.patch(found.scene.files, editing.apply(found.scene, edits))


def as_json(found: Found) -> dict[str, Any]:
    """Everything."""
    return {
        "state": "read" if found.read else "not read",
        "findings": [_finding(found, item) for item in found.causes],
        "unknown": list(found.unknown),
        "proposals": [{name: row[name] for name in _ROW} for row in found.rows],
    }


def _finding(found: Found, item: findings.Finding) -> dict[str, Any]:
    written = found.scene.documents.get(item.key)
    made = found.of(item)
    return {
        "rule": item.rule,
        **item.told,
        "project": item.project,
        "runs": list(item.run_ids),
        "path": written.path if written else None,
        "line": written.line if written else None,
        "change": _change(made) if made else None,
    }


def _change(made: proposal.Proposal) -> dict[str, Any]:
    return {
        "title": made.title,
        "branch": made.branch,
        "labels": list(made.labels),
        "patch": made.patch,
        "refusal": made.refusal or None,
    }
