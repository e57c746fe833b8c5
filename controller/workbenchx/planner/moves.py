"""A rename inside a file is a move: same kind, place and spec under another name."""

from collections.abc import Iterable

from workbenchx.planner import model

Moves = dict[model.Key, model.Recorded]


def find(new: Iterable[model.Declared], gone: Iterable[model.Recorded]) -> Moves:
    """For each new name the row that it is the new name of. Twins are paired in the order of their names."""
    homeless: dict[tuple[str | None, ...], list[model.Recorded]] = {}
    for row in sorted(gone, key=lambda row: row.key, reverse=True):
        if row.source.path and row.owned:
            homeless.setdefault(_likeness(row), []).append(row)
    moves: Moves = {}
    if homeless:
        for declared in sorted(new, key=lambda row: row.key):
            candidates = homeless.get(_likeness(declared))
            if candidates:
                moves[declared.key] = candidates.pop()
    return moves


def _likeness(row: model.Declared | model.Recorded) -> tuple[str | None, ...]:
    return (row.key.kind, row.key.namespace, row.project, row.source.path, row.hash)
