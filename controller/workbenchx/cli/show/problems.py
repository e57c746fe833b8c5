"""What validation found, as lines and as JSON."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from workbenchx.cli.show import phrases, style, table
from workbenchx.declared import problem

_ERROR = problem.Severity.ERROR.value
_TONES = {"error": "bad", "warning": "busy", "notice": "faint"}


class Report(Protocol):
    """What this needs of a report; both are sorted by place."""

    @property
    def problems(self) -> Sequence[problem.Problem]:
        """Errors and warnings."""

    @property
    def notices(self) -> Sequence[problem.Problem]:
        """What is told, with nothing to do."""


def lines(
    report: Report,
    paint: style.Style = style.Style(),  # noqa: B008 - immutable
    *,
    quiet: bool = False,
) -> Iterator[str]:
    """One line each; `quiet`: errors only."""
    for found in _all(report):
        if not quiet or found.severity == _ERROR:
            yield paint.paint(table.safe(str(found)), _TONES.get(found.severity, "plain"))


def wrong(report: Report) -> int:
    """How many errors there are."""
    return sum(found.severity == _ERROR for found in report.problems)


def summary(documents: int, files: int, report: Report) -> str:
    """`12 documents in 5 files: 2 errors, 1 warning`, or `…: valid`."""
    found = _all(report)
    counts = [
        phrases.count(sum(item.severity == severity for item in found), severity.value)
        for severity in problem.Severity
        if any(item.severity == severity for item in found)
    ]
    if not wrong(report):
        counts.insert(0, "valid")
    head = f"{phrases.count(documents, 'document')} in {phrases.count(files, 'file')}"
    return f"{head}: {', '.join(counts)}"


def _all(report: Report) -> list[problem.Problem]:
    return sorted([*report.problems, *report.notices])


def plain(report: Report) -> list[dict[str, Any]]:
    """The findings for `--json`; line and column are null for a file as a whole."""
    return [
        {
            "path": found.path,
            "line": found.line or None,
            "column": found.column or None,
            "subject": found.subject or None,
            "field": found.field or None,
            "message": found.text,
            "hint": found.hint or None,
            "severity": str(found.severity),
        }
        for found in _all(report)
    ]
