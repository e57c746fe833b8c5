"""Fields of nested documents, side by side."""

import json
from collections.abc import Iterator, Mapping
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


def line(row: Mapping[str, Any]) -> list[table.Cell | str]:
    """A row of `compare` for a table."""
    tone = "plain" if row["same"] else "busy"
    cells = [table.safe(shown(row[side])) for side in ("declared", "recorded", "observed")]
    cells[2] = "" if row["observed"] is None else cells[2]
    return [row["path"], *((cell, tone) for cell in cells)]
