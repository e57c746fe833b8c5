"""What FixBot says besides its bodies: notes at pull requests, and the issue that lists everything."""

import logging
from collections.abc import Iterator, Mapping, Sequence

from workbenchx import errors, ports
from workbenchx.fixbot import findings, proposal
from workbenchx.planner.render import markdown

LOG = logging.getLogger(__name__)
DASHBOARD = "workbenchx-fixbot dashboard"
_TITLE = "FixBot: what is wrong, and what is proposed"
_MOST = 100

HANDED_OVER = (
    "Somebody pushed to this branch, so it is theirs now: FixBot changes and closes it no more."
)
SNOOZED = "Snoozed: FixBot is quiet about this until the time that was asked for."


def marker(what: str, id_: str) -> str:
    """What marks the one comment of a sort at a pull request."""
    return f"workbenchx-fixbot {what} {id_}"


def gone(commit: str) -> str:
    """Why it is closed."""
    return f"Closed: what this mends is not wrong any more, as of commit {commit[:12]}."


async def keep_dashboard(
    forge: ports.Forge,
    found: Sequence[findings.Finding],
    wanted: Mapping[str, proposal.Proposal],
    living: Sequence[ports.Proposed],
    waits: Sequence[ports.Unproposed],
) -> None:
    """One issue with everything; none is made before there is something to say, and then it also says that nothing is wrong.

    A repository may have no issues: `wbx fix` tells the same.
    """
    said = bool(found or living)
    try:
        text = body(found, wanted, living, waits)
        await forge.keep_issue(DASHBOARD, _TITLE, text, make=said)
    except errors.Stalled as problem:
        LOG.info("fixbot keeps no issue: %s", problem.message)


def body(
    found: Sequence[findings.Finding],
    wanted: Mapping[str, proposal.Proposal],
    living: Sequence[ports.Proposed],
    waits: Sequence[ports.Unproposed] = (),
) -> str:
    """What is proposed, what a person must mend, what waits."""
    parts = ["FixBot keeps this list. It reads nothing that is written here."]
    for title, lines in (
        ("Proposed", _proposed(living)),
        ("Snoozed or handed over", _quiet(living)),
        ("For a person", _manual(found)),
        ("Not proposed", _refused(wanted)),
        ("Waiting", _waiting(waits)),
    ):
        kept = list(lines)
        if kept:
            more = [f"- … and {len(kept) - _MOST} more"] if len(kept) > _MOST else []
            parts += [f"### {title}", "\n".join([*kept[:_MOST], *more])]
    if not found and not living:
        parts.append("Nothing is wrong that a change of the files would mend.")
    return "\n\n".join(parts) + "\n"


def _proposed(living: Sequence[ports.Proposed]) -> Iterator[str]:
    for row in living:
        if row.state == "open":
            number = f"#{row.number}: " if row.number else ""
            yield f"- {number}{_plain(row.title)}"


def _quiet(living: Sequence[ports.Proposed]) -> Iterator[str]:
    for row in living:
        if row.state == "snoozed":
            until = f" until {row.snoozed_until:%Y-%m-%d}" if row.snoozed_until else ""
            yield f"- {_plain(row.title)}: snoozed{until}"
        elif row.state == "handed_over":
            yield f"- #{row.number}: {_plain(row.title)}: handed over"


def _manual(found: Sequence[findings.Finding]) -> Iterator[str]:
    for item in found:
        if not item.edits:
            yield f"- {_plain(str(item.key))}: {_plain(item.cause)} {_plain(item.remedy)}"


def _refused(wanted: Mapping[str, proposal.Proposal]) -> Iterator[str]:
    for made in wanted.values():
        if made.refusal:
            yield f"- {_plain(made.title)}: {_plain(made.refusal)}"


def _waiting(waits: Sequence[ports.Unproposed]) -> Iterator[str]:
    for item in waits:
        if item.state == "capped":
            where = f"{item.key}: {item.field}" if item.field else str(item.key)
            yield f"- {_plain(item.rule)}: {_plain(where)}: {_plain(item.why)}"


def _plain(text: str) -> str:
    return markdown.escape(text)
