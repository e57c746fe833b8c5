"""What has come of a commit: one word, one line, a table. Pure, and the same for the same rows."""

import dataclasses
import hashlib
from collections.abc import Collection, Iterator, Sequence

from workbenchx import ports
from workbenchx.api import conditions, states
from workbenchx.engine.reviewing import wording
from workbenchx.planner import model
from workbenchx.planner.render import markdown

_MOST_ROWS = 100
_NEEDS_PERSON = frozenset(
    {states.State.FAILED.value, states.State.HELD.value, states.State.CANCELLED.value}
)


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What is said of a commit. `digest` names all of it."""

    verdict: ports.Verdict
    title: str
    summary: str

    @property
    def digest(self) -> str:
        """The same is not said twice."""
        said = f"{self.verdict.value}\x00{self.title}\x00{self.summary}"
        return hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()


def of(
    rows: Sequence[ports.SourceStanding],
    *,
    busy: bool = False,
    free: Collection[model.Key] = (),
) -> Outcome:
    """How what a commit declares stands.

    `busy`: the installation has still to do something for it. `free`: rows that say they are held, which no plan holds now.
    """
    wrong = [row for row in rows if _wrong(row) and row.key not in free]
    waiting = [row for row in rows if not _well(row) and row not in wrong]
    ready = len(rows) - len(wrong) - len(waiting)
    verdict = ports.Verdict.FAILURE if wrong else ports.Verdict.PENDING
    if not wrong and not waiting and not busy:
        verdict = ports.Verdict.SUCCESS
    told = f"{ready} of {len(rows)} Ready"
    for row in (wrong or waiting)[:1]:
        told += f"; {row.key}: {_reason(row)}"
    title = wording.cut(told, wording.MOST_TITLE)
    ordered = [*wrong, *waiting, *(row for row in rows if row not in wrong and row not in waiting)]
    return Outcome(verdict, title, wording.fitted(_table(ordered, title)))


def held(rows: Sequence[ports.SourceStanding]) -> set[model.Key]:
    """What waits for a person because of a brake."""
    return {row.key for row in rows if row.state == states.State.HELD.value}


def begun() -> Outcome:
    """The first word on a commit that was settled, or went wrong, before anybody told of it."""
    title = "In force"
    return Outcome(ports.Verdict.PENDING, title, f"{title}.\n")


def superseded(commit: str) -> Outcome:
    """The last word on a commit that was not settled before the next one was in force. Nobody claims that it was."""
    title = f"Superseded by {commit[:12]} before all was settled"
    return Outcome(ports.Verdict.ERROR, title, f"{title}.\n")


def past(commit: str) -> Outcome:
    """What is said of a commit that was settled when another one came in force."""
    title = f"Was settled; {commit[:12]} is in force now"
    return Outcome(ports.Verdict.SUCCESS, title, f"{title}.\n")


def _wrong(row: ports.SourceStanding) -> bool:
    """Only a person ends it. What is held has no row of the new version yet."""
    if row.problem is not None:
        return True
    if row.state == states.State.HELD.value and not row.ready:
        return True
    stalled = row.reason in conditions.STALLED_REASONS
    return row.recorded and not row.ready and (row.state in _NEEDS_PERSON or stalled)


def _well(row: ports.SourceStanding) -> bool:
    return row.declared and row.recorded and row.ready


def _reason(row: ports.SourceStanding) -> str:
    if row.problem is not None:
        return f"Invalid: {row.problem}"
    if not row.declared and not _wrong(row):
        return "is being removed"
    if not row.recorded and not _wrong(row):
        return "is not in force yet"
    return f"{row.reason}: {row.message}" if row.message else row.reason


def _table(rows: Sequence[ports.SourceStanding], title: str) -> Iterator[str]:
    yield f"**{markdown.escape(title)}**"
    if not rows:
        return
    yield ""
    yield "| | resource | state | why | where |"
    yield "| --- | --- | --- | --- | --- |"
    for row in rows[:_MOST_ROWS]:
        sign = "ready" if _well(row) else "**not ready**"
        place = f"{row.path}:{row.line}" if row.path and row.line else row.path or ""
        why = "" if _well(row) else wording.cut(_reason(row), 300)
        cells = (str(row.key), row.state, why, place)
        yield f"| {sign} | " + " | ".join(map(markdown.escape, cells)) + " |"
    if len(rows) > _MOST_ROWS:
        yield ""
        yield f"… and {len(rows) - _MOST_ROWS} more"
