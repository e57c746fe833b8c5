"""Two runs of the same order, compared by the sha256 of what they made."""

from collections.abc import Iterable, Mapping
from typing import Any

from workbenchx.cli.show import style

_LOG = "log"


def compare(
    before: Mapping[str, Any],
    again: Mapping[str, Any],
    old: Iterable[Mapping[str, Any]],
    new: Iterable[Mapping[str, Any]],
) -> dict[str, Any]:
    """Per output: match, differs, missing (only the first made it) or new. The log is told but decides nothing."""
    first = {str(item["name"]): str(item["sha256"]) for item in old}
    second = {str(item["name"]): str(item["sha256"]) for item in new}
    outputs = [
        {
            "name": name,
            "before": first.get(name),
            "after": second.get(name),
            "verdict": _verdict(first.get(name), second.get(name)),
        }
        for name in sorted(first.keys() | second.keys())
    ]
    decisive = [item for item in outputs if item["name"] != _LOG]
    succeeded = again["state"] == "succeeded"
    return {
        "run_id": str(before["run_id"]),
        "again": str(again["run_id"]),
        "state": str(again["state"]),
        "outputs": outputs,
        "reproduced": succeeded and all(item["verdict"] == "match" for item in decisive),
    }


def _verdict(first: str | None, second: str | None) -> str:
    if first is None:
        return "new"
    if second is None:
        return "missing"
    return "match" if first == second else "differs"


def text(found: Mapping[str, Any], paint: style.Style) -> str:
    """One line per output, and the verdict."""
    tones = {"match": "good", "differs": "bad", "missing": "bad", "new": "bad"}
    lines = []
    for item in found["outputs"]:
        tone = "faint" if item["name"] == _LOG else tones[item["verdict"]]
        both = "" if item["verdict"] == "match" else f", now {item['after']}"
        word = paint.paint(f"{item['verdict']:<8}", tone)
        lines.append(f"{word} {item['name']}  sha256 {item['before']}{both}")
    decisive = [item for item in found["outputs"] if item["name"] != _LOG]
    if found["reproduced"]:
        what = "every output is the same" if decisive else "it has no outputs to compare"
        lines.append(f"reproduced: run {found['again']} succeeded; {what}")
    elif found["state"] != "succeeded":
        lines.append(f"not reproduced: run {found['again']} {found['state']}")
    else:
        differing = sum(item["verdict"] != "match" for item in decisive)
        lines.append(
            f"not reproduced: {differing} of {len(decisive)} outputs differ in run {found['again']}"
        )
    return "\n".join(lines)
