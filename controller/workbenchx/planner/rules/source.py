"""Source: a row that a worker follows; Ready when the newest commit is in force as a whole.

A worker follows what has the fact `follow`, which only this rule gives: what is refused here is never fetched.
"""

from collections.abc import Mapping
from typing import Any

from workbenchx.api import reasons, states
from workbenchx.planner import draft, model, subjects, tracked, verdicts
from workbenchx.planner.rules import row_only

_SHORT = 12


def settle(writing: draft.Draft, subject: subjects.Subject) -> model.Verdict:
    """Write the row, let it be followed, and say what the worker saw."""
    writing.record(subject)
    blocked = row_only.blocked(writing, subject, {"follow": None})
    if blocked:
        return blocked
    seen = writing.index.world.followed.get(subject.key)
    if seen is None or (seen.applied is None and not seen.reason):
        facts = {"follow": True, "revision": None, "fetched": seen.seen if seen else None}
        message = "a worker is about to fetch its repository"
        writing.wait(subject.key, verdicts.Refusal(reasons.Reason.FETCHING, message))
        return verdicts.of(
            subject.key, states.State.PENDING, reasons.Reason.FETCHING, message, facts=facts
        )
    refusal = _refusal(seen)
    if refusal is None:
        return verdicts.ready(subject.key, _told(seen), _facts(seen))
    writing.wait(subject.key, refusal)
    return verdicts.refused(subject.key, refusal, state=states.State.ACTIVE, facts=_facts(seen))


def _facts(seen: tracked.Sighting) -> dict[str, Any]:
    found = seen.found
    return {
        "follow": True,
        "fetched": seen.seen,
        "revision": seen.applied,
        "applied_at": seen.applied_at.isoformat(timespec="seconds") if seen.applied_at else None,
        "documents": found.get("documents"),
        "skipped": len(found.get("skipped") or ()) or None,
        "kept": len(found.get("kept") or ()) or None,
        "rewritten": found.get("rewritten") or None,
        "mended": len(found.get("mended") or ()) or None,
        "hold_token": (found.get("held") or {}).get("token"),
    }


def _refusal(seen: tracked.Sighting) -> verdicts.Refusal | None:
    """Why the newest commit is not in force as a whole."""
    if seen.reason:
        return verdicts.Refusal(seen.reason, seen.message)
    refused, taken = seen.found.get("refused") or (), seen.found.get("taken") or ()
    if refused:
        more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        message = f"commit {_short(seen)} is in force without what is refused: {refused[0]}{more}"
        return verdicts.Refusal(reasons.Reason.INVALID, message)
    if taken:
        return verdicts.Refusal(reasons.Reason.CONFLICT, _claimed(taken))
    if held := seen.found.get("held"):
        return verdicts.Refusal(reasons.Reason.HELD, _held(held))
    return None


def _held(held: Mapping[str, Any]) -> str:
    return (
        f"{held['count']} would be deleted, {held['resources'][0]} the first; nothing is until somebody confirms it:"
        f" wbx confirm {held['token']}, or a commit with the trailer WorkbenchX-Confirm: {held['token']}"
    )


def _claimed(taken: Any) -> str:
    first = taken[0]
    more = f" (and {len(taken) - 1} more)" if len(taken) > 1 else ""
    return f'{first["resource"]} is declared by source "{first["source"]}" already, which keeps it{more}'


def _told(seen: tracked.Sighting) -> str:
    """What a person may want to know though all is well."""
    found: Mapping[str, Any] = seen.found
    parts = [f"commit {_short(seen)}"]
    if found.get("rewritten"):
        parts.append("the branch was rewritten")
    if skipped := found.get("skipped"):
        parts.append(f"{len(skipped)} skipped, for they are not of its namespace: {skipped[0]}")
    if mended := found.get("mended"):
        parts.append(f"{len(mended)} applied again, for somebody had changed it: {mended[0]}")
    if undecided := found.get("undecided"):
        parts.append(
            f"{len(undecided)} to be deleted once it is known what was reviewed: {undecided[0]}"
        )
    if kept := found.get("kept"):
        parts.append(f"{len(kept)} kept though no longer declared (prune: false): {kept[0]}")
    return "; ".join(parts)


def _short(seen: tracked.Sighting) -> str:
    return (seen.applied or "")[:_SHORT]
