"""Everything that is wrong or dangerous about a change, each at its line."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from workbenchx.declared import problem
from workbenchx.planner import model, review

Places = Mapping[model.Key, tuple[str, int]]


class Remark(NamedTuple):
    """One thing to be said at a line of a file. Without a line, or without a path, it is of the whole."""

    path: str
    line: int
    column: int
    level: str
    rule: str
    subject: str
    message: str


def of(
    problems: Iterable[problem.Problem], findings: Iterable[review.Finding], places: Places
) -> list[Remark]:
    """All of them by place; what a document no longer declares has none.

    A refusal that follows from what is wrong in the document is not said again.
    """
    found = list(problems)
    wrong = {item.subject for item in found}
    said = [
        Remark(
            item.path, item.line, item.column, item.severity, "Invalid", item.subject, item.message
        )
        for item in found
    ]
    said += [
        _remark(item, *places.get(item.subject, ("", 0)))
        for item in findings
        if item.level is not review.Level.ERROR or str(item.subject) not in wrong
    ]
    return sorted(said)


def _remark(item: review.Finding, path: str, line: int) -> Remark:
    column = 1 if line else 0
    return Remark(path, line, column, item.level.value, item.rule, str(item.subject), item.text)


def refusing(remarks: Iterable[Remark]) -> int:
    """How many things make the change not acceptable."""
    return sum(item.level == problem.Severity.ERROR.value for item in remarks)
