"""The tree of everything recorded: platform first, then each project with what belongs to it.

A row is a mapping with kind, namespace, name, project, ready, state, reason, message, last_run_id, cost, parent
(the name of the Experiment that a matrix run belongs to), url, facts. The last column is the message of what is not
Ready, and the address, else the provider, of what is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx.cli.show import phrases, style, table

Row = Mapping[str, Any]
HEADERS = ("RESOURCE", "READY", "REASON", "RUN", "COST", "")
_CHILDREN_SHOWN = 24
_ORDER = (
    "Dataset",
    "RunnerJob",
    "Experiment",
    "ExperimentRun",
    "Model",
    "ModelDeployment",
    "App",
    "AppDeployment",
    "Session",
    "Source",
)
_PLATFORM = ("SandboxProvider", "InferenceProvider", "StorageProvider", "Runtime", "Template")
_LIVING = frozenset({"AppDeployment", "Session"})
_ELSEWHERE = frozenset({*_PLATFORM, "Project"})


def render(rows: Sequence[Row], paint: style.Style, *, width: int | None = None) -> str:
    """The whole tree as text."""
    short = phrases.short_ids(str(row["last_run_id"]) for row in rows if row.get("last_run_id"))
    lines: list[list[table.Cell | str]] = []
    platform = [row for row in rows if row["kind"] in _PLATFORM]
    if platform:
        lines.append([("Platform", "strong"), "", "", "", "", ""])
        lines += _branch(_sorted(platform, _PLATFORM), "", short)
    heads = {str(row["name"]): row for row in rows if row["kind"] == "Project"}
    inside: dict[str, list[Row]] = {name: [] for name in heads}
    for row in rows:
        if row["kind"] not in _ELSEWHERE:
            inside.setdefault(_owner(row), []).append(row)
    for name, own in sorted(inside.items()):
        lines += _project(name, heads.get(name), own, short)
    return table.render(HEADERS, lines, paint, width=width) if lines else ""


def summary(rows: Sequence[Row]) -> str:
    """`12 resources, 11 Ready`."""
    ready = sum(bool(row["ready"]) for row in rows)
    return f"{phrases.count(len(rows), 'resource')}, {ready} Ready"


def _owner(row: Row) -> str:
    return str(row.get("project") or row.get("namespace") or "")


def _project(
    name: str, head: Row | None, inside: Sequence[Row], short: Mapping[str, str]
) -> list[Any]:
    first = _cells("", head, short) if head else [(f"Project/{name}", "strong"), "", "", "", "", ""]
    return [first, *_branch(_sorted(inside, _ORDER), "", short)]


def _sorted(rows: Sequence[Row], order: Sequence[str]) -> list[Row]:
    place = {kind: at for at, kind in enumerate(order)}
    return sorted(
        rows,
        key=lambda row: (place.get(row["kind"], 99), row.get("namespace") or "", row["name"]),
    )


def _branch(rows: Sequence[Row], indent: str, short: Mapping[str, str]) -> list[Any]:
    parents = {(row.get("namespace"), row["name"]) for row in rows if row["kind"] == "Experiment"}
    children: dict[Any, list[Row]] = {}
    top = []
    for row in rows:
        parent = (row.get("namespace"), row.get("parent"))
        if row.get("parent") and parent in parents:
            children.setdefault(parent, []).append(row)
        else:
            top.append(row)
    lines = []
    for at, row in enumerate(top):
        last = at == len(top) - 1
        lines.append(_cells(indent + ("└─ " if last else "├─ "), row, short))
        if row["kind"] == "Experiment":
            own = children.get((row.get("namespace"), row["name"]), [])
            lines += _leaves(own, indent + ("   " if last else "│  "), short)
    return lines


def _leaves(rows: Sequence[Row], indent: str, short: Mapping[str, str]) -> list[Any]:
    shown = rows if len(rows) <= _CHILDREN_SHOWN else rows[: _CHILDREN_SHOWN - 1]
    lines = []
    for at, row in enumerate(shown):
        last = at == len(rows) - 1
        lines.append(_cells(indent + ("└─ " if last else "├─ "), row, short))
    rest = rows[len(shown) :]
    if rest:
        ready = sum(bool(row["ready"]) for row in rest)
        lines.append([(f"{indent}└─ {len(rest)} more, {ready} Ready", "faint"), "", "", "", "", ""])
    return lines


def _remark(row: Row) -> str:
    if not row["ready"]:
        return str(row.get("message") or "")
    if row.get("url"):
        return str(row["url"])
    if row["kind"] in _LIVING and row.get("state") == "Running":
        return phrases.provider(row) or ""
    stood_in = row["kind"] in _PLATFORM[:3] and row.get("reason") == "Ready"
    return str(row.get("message") or "") if stood_in else ""


def _cells(prefix: str, row: Row, short: Mapping[str, str]) -> list[table.Cell | str]:
    tone = style.tone_of(ready=bool(row["ready"]), state=str(row.get("state") or ""))
    message = table.safe(_remark(row))
    return [
        f"{prefix}{row['kind']}/{row['name']}",
        ("True" if row["ready"] else "False", tone),
        (str(row.get("reason") or ""), tone),
        (short.get(str(row.get("last_run_id")), ""), "faint"),
        phrases.money(row.get("cost")),
        (message, "faint"),
    ]
