"""What `wbx fix` shows: findings, their changes, and the pull requests of FixBot."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from workbenchx.cli.show import phrases, standing, style, table
from workbenchx.fixbot import editing, findings, proposal, rules, scenes
from workbenchx.planner.render import words

_ROW = (
    "id", "state", "title", "project", "branch", "url", "snoozed_until", "created_at", "updated_at",
)  # fmt: skip


_WAIT = (
    "source", "fingerprint", "project", "rule", "kind", "namespace", "name", "field", "state", "why", "since",
)  # fmt: skip
_ANSWER = (
    "source", "cause", "project", "kind", "namespace", "name", "alias", "state", "tries", "message", "asked_at",
    "run_id", "run_state", "cost", "reply",
)  # fmt: skip


class Found(NamedTuple):
    """The answer. `read`: it is against what is recorded. `unknown`: what registries could not say."""

    scene: scenes.Scene
    causes: Sequence[findings.Finding]
    proposals: Sequence[proposal.Proposal]
    unknown: Sequence[str]
    kept: standing.Kept
    ground: standing.Ground
    read: bool

    def of(self, item: findings.Finding) -> proposal.Proposal | None:
        """The proposal that a finding is in."""
        return next((made for made in self.proposals if item in made.findings), None)

    def standing(self, item: findings.Finding) -> standing.Standing:
        """Where its pull request is, or why there is none."""
        return standing.of(self.scene, item, self.of(item), self.ground, self.kept)

    @property
    def waits(self) -> list[Mapping[str, Any]]:
        """What FixBot does not propose, and is not found here."""
        here = {item.fingerprint for item in self.causes}
        return [row for row in self.kept.waits if row["fingerprint"] not in here]


def judge(
    scene: scenes.Scene,
    names: Sequence[str],
    unknown: Sequence[str],
    kept: standing.Kept,
    ground: standing.Ground,
    *,
    read: bool,
) -> Found:
    """Find, and try out every change."""
    found = rules.find(scene, names)
    return Found(scene, found, proposal.all_of(scene, found), unknown, kept, ground, read)


def as_text(found: Found, paint: style.Style) -> Iterator[str]:
    """A paragraph for each finding, then what FixBot keeps."""
    if not found.read:
        yield "state: not read"
    if not found.causes:
        yield "Nothing is wrong that a change of the files would mend."
    for item in found.causes:
        yield from _paragraph(found, item, paint)
    for head, lines in (
        (("ID", "STATE", "PULL REQUEST", "URL"), map(_pull, found.kept.rows)),
        (("NOT PROPOSED", "RULE", "STATE", "WHY"), map(_wait, found.waits)),
        (("ASKED A MODEL", "STATE", "COST", "RUN", "WHY"), map(_answer, found.kept.answers)),
    ):
        shown = list(lines)
        if shown:
            yield ""
            yield table.render(head, shown, paint)


def _pull(row: Mapping[str, Any]) -> tuple[str, ...]:
    return str(row["id"]), str(row["state"]), words.plain(row["title"]), str(row["url"] or "")


def _wait(row: Mapping[str, Any]) -> tuple[str, ...]:
    return _subject(row), row["rule"], row["state"], table.safe(words.plain(row["why"]))


def _answer(row: Mapping[str, Any]) -> tuple[str, ...]:
    cost = phrases.money(row["cost"])
    run = str(row["run_id"] or "-")
    return _subject(row), row["state"], cost, run, table.safe(words.plain(row["message"]))


def _subject(row: Mapping[str, Any]) -> str:
    return f"{row['kind']}/{row['name']}"


def _paragraph(found: Found, item: findings.Finding, paint: style.Style) -> Iterator[str]:
    written = found.scene.documents.get(item.key)
    place = f"  {written.path}:{written.line}" if written else ""
    yield f"{paint.paint(item.rule, 'bad')}  {item.key}  {item.field}{place}"
    yield f"  {words.plain(item.cause)}"
    yield f"  {words.plain(item.remedy)}"
    for edit in item.edits:
        yield f"    {edit.spelled}: {_change_of(edit)}"
    stands = found.standing(item)
    label = "not proposed" if stands.state == "refused" else "pull request"
    yield f"  {label}: {words.plain(stands.why)}"


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
        "proposals": [{name: row[name] for name in _ROW} for row in found.kept.rows],
        "waits": [{name: row[name] for name in _WAIT} for row in found.waits],
        "answers": [{name: row[name] for name in _ANSWER} for row in found.kept.answers],
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
        "pull": found.standing(item)._asdict(),
    }


def _change(made: proposal.Proposal) -> dict[str, Any]:
    return {
        "title": made.title,
        "branch": made.branch,
        "labels": list(made.labels),
        "patch": made.patch,
        "refusal": made.refusal or None,
    }
