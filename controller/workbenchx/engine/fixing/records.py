"""A proposal as it is written down, and what is read from there."""

from collections.abc import Mapping
from typing import Any

from workbenchx import ports
from workbenchx.api import identity
from workbenchx.fixbot import editing, proposal, scenes

_TRAILER = "WorkbenchX-Fix"


def new(made: proposal.Proposal, source: str, base: str) -> ports.NewProposal:
    """The row that comes before everything else."""
    runs = [run_id for item in made.findings for run_id in item.run_ids]
    return ports.NewProposal(
        source=source,
        fingerprint=made.fingerprint,
        rule=made.rule,
        project=made.project,
        branch=made.branch,
        title=made.title,
        run_id=runs[0] if runs else None,
        document=document(made, base),
    )


def document(made: proposal.Proposal, base: str) -> dict[str, Any]:
    """Findings, edits and words of a proposal, made at a commit."""
    return {
        "findings": [
            {**item.told, "runs": list(item.run_ids), "holds": item.holds} for item in made.findings
        ],
        "edits": _edits(made),
        "labels": list(made.labels),
        "patch": made.patch,
        "body": made.body,
        "base": base,
    }


def _edits(made: proposal.Proposal) -> list[dict[str, Any]]:
    return [
        {
            "subject": str(edit.key),
            "namespace": edit.key.namespace,
            "change": edit.change.value,
            "field": edit.spelled,
            "value": edit.value,
        }
        for item in made.findings
        for edit in item.edits
    ]


def causes(row: ports.Proposed) -> list[str]:
    """The fingerprints that a row stands for: its own, and those of its findings."""
    return [row.fingerprint, *(str(item["fingerprint"]) for item in _findings(row))]


def keys(row: ports.Proposed) -> list[identity.Key]:
    """What it is about."""
    return [
        identity.Key(str(item["kind"]), str(item["namespace"]), str(item["name"]))
        for item in _findings(row)
    ]


def _findings(row: ports.Proposed) -> list[Mapping[str, Any]]:
    found = row.document.get("findings")
    return found if isinstance(found, list) else []


def outdated(row: ports.Proposed, made: proposal.Proposal, scene: scenes.Scene) -> bool:
    """Whether its commit must be made anew: it says something else, or does not fit the files any more."""
    same = row.document.get("edits") == _edits(made)
    return not same or not editing.applies(str(row.document.get("patch")), scene.files)


def reworded(row: ports.Proposed, made: proposal.Proposal) -> bool:
    """Whether its evidence reads otherwise now."""
    return (row.title, row.document.get("body")) != (made.title, made.body)


def revising(row: ports.Proposed) -> bool:
    """Whether we were about to push another commit."""
    return row.document.get("revising") is True


def to_revise(row: ports.Proposed) -> dict[str, Any]:
    """The row before such a push."""
    return {**row.document, "revising": True}


def commit(made: proposal.Proposal, branch: str, base: str) -> ports.NewCommit:
    """Its commit on top of `base`."""
    changes = [ports.FileChange(path, data) for path, data in sorted(made.changes.items())]
    return ports.NewCommit(base, branch, made.message, changes, {_TRAILER: made.fingerprint})
