"""Findings of one cause into a proposal: branch, changed files, title, body, labels."""

import dataclasses
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from workbenchx.api import canonical
from workbenchx.fixbot import body, editing, findings, rehearsing, rules, scenes
from workbenchx.planner.render import words

BRANCHES = "wbx/fix/"
MOST_APART = 5
_ACTED_ON = re.compile(r"[#@]|://|\bGH-\d|!\d", re.IGNORECASE)
_LABELS = ("workbenchx", "fixbot")


@dataclasses.dataclass(frozen=True)
class Proposal:
    """A change that mends one finding, or many equal ones. `changes`: path → new bytes. `refusal`: why it may not be proposed."""

    fingerprint: str
    rule: str
    project: str | None
    findings: tuple[findings.Finding, ...]
    branch: str
    title: str
    body: str
    labels: tuple[str, ...]
    changes: Mapping[str, bytes]
    patch: str
    refusal: str = ""

    @property
    def message(self) -> str:
        """Message of its commit: the title, and why. Each line begins with words of ours, so that no text makes a trailer."""
        told = "\n".join(f"{_line(str(item.key))}: {_why(item.cause)}" for item in self.findings)
        return f"{_line(self.title)}\n\n{told}\n"


def _why(cause: str) -> str:
    """A cause, unless it quotes what a forge acts on when it is merged, such as `closes #1`; the body says it in any case."""
    return "see the pull request" if _ACTED_ON.search(cause) else _line(cause)


def _line(text: str) -> str:
    return words.plain(" ".join(text.split()))


def propose(
    scene: scenes.Scene, group: Sequence[findings.Finding], *, fingerprint: str = ""
) -> Proposal:
    """The proposal for findings of one rule and project. Its `refusal` is set where the result does not plan clean."""
    found = tuple(group)
    name = fingerprint or found[0].fingerprint
    rule = found[0].rule
    tried = rehearsing.rehearse(scene, found)
    patch = editing.patch(scene.texts, tried.changes)
    title = body.title(found)
    return Proposal(
        fingerprint=name,
        rule=rule,
        project=found[0].project,
        findings=found,
        branch=f"{BRANCHES}{rule}-{name[:12]}",
        title=title,
        body=body.render(scene, found, tried, name),
        labels=(*_LABELS, f"fixbot/{rule}"),
        changes=tried.changes,
        patch=patch,
        refusal=tried.refusal,
    )


def all_of(
    scene: scenes.Scene,
    found: Iterable[findings.Finding],
    *,
    known: Collection[str] = (),
    most: int = MOST_APART,
) -> list[Proposal]:
    """A proposal for each finding that edits can mend; more than `most` of one rule in one project are one proposal.

    Fingerprints in `known` have a pull request already, alone or together, and keep it.
    """
    groups: dict[tuple[str, str | None], list[findings.Finding]] = {}
    for item in found:
        if item.edits:
            groups.setdefault((item.rule, item.project), []).append(item)
    made: list[Proposal] = []
    for (rule, project), items in sorted(
        groups.items(), key=lambda each: (each[0][0], each[0][1] or "")
    ):
        alone = [item for item in items if item.fingerprint in known]
        rest = [item for item in items if item.fingerprint not in known]
        together = fingerprint_of(scene.source, rule, project)
        apart = rule in rules.ON_REQUEST
        if not apart and (len(rest) > most or (rest and together in known)):
            made.append(_together(scene, together, rest))
        else:
            alone += rest
        made.extend(propose(scene, [item]) for item in alone)
    return made


def fingerprint_of(source: str, rule: str, project: str | None) -> str:
    """Names what many equal findings have in common."""
    return canonical.digest({"source": source, "group": rule, "project": project})


def _together(scene: scenes.Scene, name: str, items: Sequence[findings.Finding]) -> Proposal:
    """One for all; those whose edits are refused alone are left out of it."""
    whole = propose(scene, items, fingerprint=name)
    if not whole.refusal:
        return whole
    good = [item for item in items if not rehearsing.rehearse(scene, [item]).refusal]
    return propose(scene, good or items, fingerprint=name)
