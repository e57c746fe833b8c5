"""What was found and has no pull request, each with why. Pure.

What a row of a proposal stands for (open, snoozed, handed over) is told by that row.
"""

from collections.abc import Mapping, Sequence

from workbenchx import ports
from workbenchx.engine.fixing import records
from workbenchx.fixbot import findings, proposal

MOST = 500
_NEXT = "FixBot looks at it again in its next pass"


def of(
    found: Sequence[findings.Finding],
    wanted: Mapping[str, proposal.Proposal],
    living: Sequence[ports.Proposed],
    full: str,
) -> list[ports.Unproposed]:
    """At most MOST of them. `full`: why no more is proposed now."""
    known = {name for row in living for name in records.causes(row)}
    made = {item.fingerprint: each for each in wanted.values() for item in each.findings}
    waits = []
    for item in found:
        its = made.get(item.fingerprint)
        if item.fingerprint in known or (its is not None and its.fingerprint in known):
            continue
        state, why = _why(item, its, full)
        waits.append(
            ports.Unproposed(
                item.fingerprint, item.project, item.rule, item.key, item.field, state, why
            )
        )
    return waits[:MOST]


def _why(item: findings.Finding, made: proposal.Proposal | None, full: str) -> tuple[str, str]:
    if not item.edits or made is None:
        return "manual", item.remedy or "a person must mend it"
    if made.refusal:
        return "refused", made.refusal
    return "capped", full or _NEXT
