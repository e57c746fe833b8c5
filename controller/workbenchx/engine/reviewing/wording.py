"""What is said of a change: one line, a comment, sentences at lines. Pure, and the same for the same change.

Nothing from outside is Markdown here, and no text is longer than forges take: what does not fit is cut, and said to be.
"""

import dataclasses
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence

from workbenchx import ports
from workbenchx.api import reasons
from workbenchx.engine.reviewing import judging, remarking
from workbenchx.planner import budget, cost, model
from workbenchx.planner.render import markdown, words

MOST_BYTES = 65_535
MOST_TITLE = 140
_MOST_REMARKS = 50
_MOST_NOTES = 200
_MOST_FILES = 20
_MOST_SENTENCE = 600
_LEVELS = {"error": "failure", "warning": "warning"}
_LIMITS = (reasons.Reason.QUOTA_EXCEEDED.value, reasons.Reason.BUDGET_EXCEEDED.value)


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where a change is judged. `link`: the page of its whole plan, where there is one to be opened."""

    context: str
    head: str
    target: str
    link: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Said:
    """What is posted. `digest` is over all of it: the same is not posted twice."""

    title: str
    body: str
    annotations: tuple[ports.Annotation, ...]
    verdict: ports.Verdict

    @property
    def digest(self) -> str:
        """A name of everything that a reader sees."""
        parts = [self.title, self.body, self.verdict.value, *map(repr, self.annotations)]
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def of(judged: judging.Judged, place: Place) -> Said:
    """All that is said of a change."""
    heading = [
        f"### WorkbenchX: {_verdict(judged)}",
        "",
        f"`{place.context}`: commit {place.head[:12]} merged into {markdown.escape(place.target)}",
        "",
    ]
    return Said(
        title=cut(_title(judged), MOST_TITLE),
        body=fitted([*heading, *_lines(judged, place.link)]),
        annotations=annotations(judged.remarks),
        verdict=judged.verdict,
    )


def context(environment: str, source: str) -> str:
    """The name under which a commit is told of one Source in one environment."""
    return f"workbenchx/{environment}/{source}"


def anew(digest: str, again: str) -> str:
    """The name of the same said for another wish: to a forge it is another report. Without a wish, as it was."""
    return hashlib.sha256(f"{digest}\0{again}".encode()).hexdigest() if again else digest


def _verdict(judged: judging.Judged) -> str:
    if judged.plan is None:
        return "cannot be read" if judged.unread else "cannot be merged"
    wrong = judged.refused
    return f"not acceptable: {_count(wrong, 'error')}" if wrong else "acceptable"


def _title(judged: judging.Judged) -> str:
    if judged.unread:
        return f"Cannot be read: {judged.unread}"
    if judged.plan is None:
        return f"Conflict in {_count(len(judged.conflicts), 'file')}: nothing is planned"
    changes = words.counts(judged.plan) or "no changes"
    wrong = judged.refused
    return f"{_count(wrong, 'error')}; {changes}" if wrong else changes[0].upper() + changes[1:]


def _lines(judged: judging.Judged, link: str | None) -> Iterator[str]:
    if judged.unread:
        yield markdown.escape(cut(judged.unread, _MOST_SENTENCE))
        return
    if judged.plan is None:
        yield "git cannot merge these files, so nothing is planned:"
        yield ""
        for name in judged.conflicts[:_MOST_FILES]:
            yield f"- {markdown.escape(name)}"
        if len(judged.conflicts) > _MOST_FILES:
            yield f"- … and {len(judged.conflicts) - _MOST_FILES} more"
        return
    yield from _remarks(judged.remarks)
    yield from _confirms(judged.confirms)
    yield from _money(judged.plan)
    yield f"**Quota and budget:** {_limits(judged.plan)}"
    yield ""
    yield markdown.render(judged.plan, link=link)


def _remarks(found: Sequence[remarking.Remark]) -> Iterator[str]:
    """Errors first, each with its place."""
    ordered = _gravest(found)
    for item in ordered[:_MOST_REMARKS]:
        place = f"{item.path}:{item.line}" if item.line else item.path or "not declared any more"
        said = f"{item.subject}: {item.message}" if item.subject else item.message
        text = cut(said, _MOST_SENTENCE)
        yield f"- **{item.level}** {markdown.escape(place)} {markdown.escape(text)}"
    if len(ordered) > _MOST_REMARKS:
        yield f"- … and {len(ordered) - _MOST_REMARKS} more"
    if ordered:
        yield ""


def _confirms(tokens: Sequence[str]) -> Iterator[str]:
    """What a reader of the files alone does not see: a message of a commit that lets happen what is held."""
    if tokens:
        told = ", ".join(f"`{token}`" for token in tokens[:_MOST_FILES])
        yield f"**Its commits confirm {told}: what is held by that happens with the merge.**"
        yield ""


def _gravest(found: Iterable[remarking.Remark]) -> list[remarking.Remark]:
    order = ("error", "warning", "notice")
    return sorted(found, key=lambda item: (order.index(item.level), item))


def _money(plan: model.Plan) -> Iterator[str]:
    """What a month costs: what is kept alive counts whole, a run until its deadline."""
    if plan.cost_before or plan.cost_after:
        before = plan.cost_before * cost.HOURS_A_MONTH
        added = sum(
            ((step.cost_after - step.cost_before) * budget.hours(step) for step in plan.steps),
            model.ZERO,
        )
        after = max(before + added, model.ZERO)
        yield f"**A month like this:** {words.rate(before)} → {words.rate(after)} USD"
        yield ""


def _limits(plan: model.Plan) -> str:
    """Whether the change stays within quota and budget."""
    passed = sorted(
        {f"{wait.subject}: {wait.reason}" for wait in plan.waits if wait.reason in _LIMITS}
    )
    over = words.budgets(plan)
    told = [*passed, *over]
    return markdown.escape("; ".join(told)) if told else "within"


def annotations(found: Iterable[remarking.Remark]) -> tuple[ports.Annotation, ...]:
    """The remarks that have a line, the gravest 200 of them: a forge takes fifty a call. What is told at no line is in the comment only."""
    placed = (item for item in _gravest(found) if item.path and item.line)
    return tuple(
        ports.Annotation(
            path=item.path,
            line=item.line,
            level=_LEVELS.get(item.level, "notice"),
            title=item.rule,
            message=cut(
                f"{item.subject}: {item.message}" if item.subject else item.message,
                _MOST_SENTENCE,
            ),
        )
        for item in itertools.islice(placed, _MOST_NOTES)
    )


def fitted(lines: Iterable[str]) -> str:
    """The text, or as many whole lines of it as a forge takes; a folded part is closed."""
    text = "\n".join(lines).rstrip("\n") + "\n"
    if len(text.encode("utf-8", "surrogateescape")) <= MOST_BYTES:
        return text
    ending = "\n\n… the rest does not fit here\n"
    left = MOST_BYTES - len(ending.encode()) - len("\n</details>")
    kept: list[str] = []
    for line in text.split("\n"):
        left -= len(line.encode("utf-8", "surrogateescape")) + 1
        if left < 0:
            break
        kept.append(line)
    shorter = "\n".join(kept)
    if shorter.count("<details>") > shorter.count("</details>"):
        shorter += "\n</details>"
    return shorter + ending


def cut(text: str, most: int) -> str:
    """At most so many characters, on one line."""
    line = words.plain(" ".join(text.split()))
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
