"""A field that has another name or place now: move it there, while both are still read."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from workbenchx.fixbot import findings, scenes

NAME = "migrate-field"
TOGETHER = "move {} deprecated fields"


class Move(NamedTuple):
    """A field of a kind that moved, and since when."""

    kind: str
    old: findings.Path
    new: findings.Path
    since: str


MOVED: tuple[Move, ...] = ()
"""v1alpha1 has renamed nothing yet. A release that deprecates a field adds its line here."""


def find(scene: scenes.Scene) -> Iterator[findings.Finding]:
    """Every deprecated field that is still written."""
    yield from within(scene, MOVED)


def within(scene: scenes.Scene, moved: tuple[Move, ...]) -> Iterator[findings.Finding]:
    """The same for a list of moves."""
    for key, written in sorted(scene.documents.items()):
        for move in moved:
            value = _at(written.body, move.old)
            if key.kind != move.kind or value is None:
                continue
            taken = _at(written.body, move.new) is not None
            old, new = (".".join(map(str, path)) for path in (move.old, move.new))
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
                edits=_edits(key, move, value, taken=taken),
                project=scene.project_of(key),
                instead="It is read for as long as the release notes say.",
            )


def _edits(key: Any, move: Move, value: Any, *, taken: bool) -> tuple[findings.Edit, ...]:
    removed = findings.Edit(key, findings.Change.DELETE, move.old)
    return (removed,) if taken else (findings.set_to(key, move.new, value), removed)


def _at(body: Any, path: findings.Path) -> Any:
    for part in path:
        body = body.get(part) if isinstance(body, Mapping) else None
    return body
