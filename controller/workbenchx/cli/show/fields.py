"""Fields of nested documents, side by side."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from workbenchx.cli.show import table

MISSING = "(none)"


def flatten(document: Any, prefix: str = "spec") -> dict[str, Any]:
    """Leaves by dotted path; list items by number; empty containers are leaves."""
    return dict(_leaves(document, prefix))


def _leaves(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping) and node:
        for name in sorted(node):
            yield from _leaves(node[name], f"{path}.{name}")
    elif isinstance(node, list | tuple) and node:
        for at, item in enumerate(node):
            yield from _leaves(item, f"{path}[{at}]")
    else:
        yield path, node


def compare(
    declared: Mapping[str, Any] | None,
    recorded: Mapping[str, Any] | None,
    observed: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Every path with its declared, recorded and observed value; `same` when what is known agrees.

    Only declared fields are owned: a path that the declared spec lacks never makes a difference by what is observed.
    """
    sides = [flatten(side) if side is not None else {} for side in (declared, recorded)]
    seen = flatten(observed, "spec") if observed is not None else {}
    rows = []
    for path in sorted(sides[0].keys() | sides[1].keys()):
        wanted, known = sides[0].get(path), sides[1].get(path)
        known_as_wanted = (path in sides[0]) == (path in sides[1]) and wanted == known
        same = known_as_wanted and (path not in seen or seen[path] == wanted)
        rows.append(
            {
                "path": path,
                "declared": wanted,
                "recorded": known,
                "observed": seen.get(path),
                "same": same,
            }
        )
    return rows


def shown(value: Any) -> str:
    """A leaf as people read it."""
    if value is None:
        return MISSING
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def between(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every path with its value at two times; `same` when it is there both times with one value."""
    return [
        {
            "path": path,
            "then": then.get(path),
            "now": now.get(path),
            "same": (path in then) == (path in now) and then.get(path) == now.get(path),
        }
        for path in sorted(then.keys() | now.keys())
    ]


def version(row: Mapping[str, Any] | None) -> dict[str, Any]:
    """The leaves of what was in force: the spec, and what history keeps of the status. None: nothing was."""
    if row is None:
        return {}
    revision = (row.get("facts") or {}).get("revision")
    status = {
        "state": row["state"],
        "ready": row["ready"],
        "reason": row["reason"],
        "externalId": row["external_id"],
        "revision": revision,
    }
    known = {name: value for name, value in status.items() if value is not None}
    return flatten(row["spec"] or {}) | flatten(known, "status")


def validity(row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Which version a row is; None: there was none."""
    if row is None:
        return None
    return {
        "generation": row["generation"],
        "declared_hash": row["declared_hash"],
        "commit": row["source_commit"],
        "since": row.get("valid_from") or row["updated_at"],
        "until": row.get("valid_until"),
    }


def line(
    row: Mapping[str, Any], sides: Sequence[str] = ("declared", "recorded", "observed")
) -> list[table.Cell | str]:
    """A row of `compare` or `between` for a table."""
    tone = "plain" if row["same"] else "busy"
    cells = [table.safe(shown(row[side])) for side in sides]
    if "observed" in row and row["observed"] is None:
        cells[-1] = ""
    return [row["path"], *((cell, tone) for cell in cells)]
