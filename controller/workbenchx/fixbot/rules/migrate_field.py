"""A field that has another name or place now: move it there. Until then it is read as the new one (api/moves.py)."""

from collections.abc import Iterator, Mapping
from typing import Any

from workbenchx.api import identity, moves
from workbenchx.fixbot import findings, scenes

NAME = "migrate-field"
TOGETHER = "move {} deprecated fields"


def find(scene: scenes.Scene) -> Iterator[findings.Finding]:
    """Every deprecated field that is still written."""
    for key, written in sorted(scene.documents.items()):
        for move in moves.used(key.kind, written.spec):
            taken = moves.at(written.spec, move.new) is not None
            old, new = (".".join(path) for path in (move.old, move.new))
            yield findings.Finding(
                rule=NAME,
                key=key,
                field=old,
                observed=old,
                desired=new,
                cause=f"{old} is deprecated since {move.since}: it is called {new} now.",
                remedy=f"Remove {old}: {new} is written too, and counts."
                if taken
                else f"Move it to {new}.",
                edits=_edits(key, move, written.spec, taken=taken),
                project=scene.project_of(key),
                instead="It is read for as long as the release notes say.",
            )


def _edits(
    key: identity.Key, move: moves.Move, spec: Mapping[str, Any], *, taken: bool
) -> tuple[findings.Edit, ...]:
    """One line where only the name is another. A mapping that held nothing else goes with its field."""
    if not taken and move.old[:-1] == move.new[:-1]:
        return (findings.Edit(key, findings.Change.RENAME, move.old, move.new[-1]),)
    path = move.old
    while len(path) > 2 and len(moves.at(spec, path[:-1])) == 1:
        path = path[:-1]
    removed = findings.Edit(key, findings.Change.DELETE, path)
    value = moves.at(spec, move.old)
    return (removed,) if taken else (findings.set_to(key, move.new, value), removed)
