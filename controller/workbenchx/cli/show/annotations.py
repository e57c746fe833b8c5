"""Remarks as workflow commands, which GitHub Actions shows at the lines of a pull request.

The format is GitHub's "Workflow commands": `::error file=…,line=…,title=…::message`; a job shows at most 50 of them,
and a step 10 of each level.
"""

from collections.abc import Iterator, Sequence

from workbenchx.cli.show import checked, phrases

MOST = 10


def commands(remarks: Sequence[checked.Remark]) -> Iterator[str]:
    """One line for each, at most ten of a level; how many were left out is said once."""
    for level in ("error", "warning"):
        found = [item for item in remarks if item.level == level]
        shown = found[:MOST] if len(found) <= MOST else found[: MOST - 1]
        for item in shown:
            yield f"::{level} {_properties(item)}::{_data(_message(item))}"
        if len(found) > len(shown):
            more = phrases.count(len(found) - len(shown), f"more {level}")
            yield f"::{level} title=WorkbenchX::{more}, in the summary of the job"


def _message(item: checked.Remark) -> str:
    return f"{item.subject}: {item.message}" if item.subject else item.message


def _properties(item: checked.Remark) -> str:
    place = {
        "file": item.path,
        "line": str(item.line) if item.line else "",
        "col": str(item.column) if item.column else "",
        "title": item.rule,
    }
    return ",".join(f"{name}={_property(value)}" for name, value in place.items() if value)


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")
