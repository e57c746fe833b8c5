"""What a reading replaces: engine/mirror."""

import pytest

from workbenchx.engine import mirror
from workbenchx.planner import model


def row(name: str, path: str, source: str = mirror.EMBEDDED_SOURCE) -> model.Declared:
    """A declared dataset of a file."""
    key = model.Key("Dataset", "lab", name)
    return model.Declared(key, "lab", {}, "", model.SourceRef(source=source, path=path))


WORLD = model.World(
    declared=(
        row("a", "ssot/a.yaml"),
        row("b", "ssot/sub/b.yaml"),
        row("other", "ssot/a.yaml", source="git"),
    ),
    declared_complete=True,
)


@pytest.mark.parametrize(
    ("reading", "left"),
    [
        (mirror.Reading(rows=()), {"other"}),
        (mirror.Reading(rows=(), scope="ssot/sub"), {"a", "other"}),
        (mirror.Reading(rows=(), broken={"ssot/a.yaml": "no"}), {"a", "other"}),
        (mirror.Reading(rows=(), complete=False), {"a", "b", "other"}),
        (mirror.Reading(rows=(row("c", "ssot/c.yaml"),)), {"c", "other"}),
    ],
)
def test_only_what_was_read_is_replaced(reading: mirror.Reading, left: set[str]) -> None:
    """Neither another source, nor another path, nor a broken file, nor a folder nobody could look into loses a row."""
    swapped = mirror.swap(WORLD, reading)

    assert {each.key.name for each in swapped.declared} == left
    assert swapped.declared_complete is reading.complete
