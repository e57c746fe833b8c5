"""The engine plans for a reading before it is recorded: what it expects of `ops.declared` is what it gets."""

import dataclasses

import pytest
import store_worlds as worlds
from store_fixtures import database, server, store

from workbenchx.engine import mirror
from workbenchx.planner import model
from workbenchx.store import postgres

__all__ = ["database", "server", "store"]

A = worlds.declared(model.Key("Dataset", "iris", "a"), path="ssot/x/a.yaml")
B = worlds.declared(model.Key("Dataset", "iris", "b"), path="ssot/x/b.yaml")
C = worlds.declared(model.Key("Dataset", "iris", "c"), path="ssot/y/c.yaml")
CODE = {"iris": model.Code("1" * 64, "c1"), "lab": model.Code("2" * 64, None)}
OTHER = "git"


def changed(row: model.Declared) -> model.Declared:
    """Another version of a document."""
    return worlds.declared(row.key, {"project": "iris", "uri": "u"}, path=row.source.path)


def moved(row: model.Declared) -> model.Declared:
    """The same document further down."""
    return worlds.declared(row.key, path=row.source.path, line=7)


def broken(row: model.Declared, why: str = "no uri") -> model.Declared:
    """An invalid version of a document."""
    return model.Declared(row.key, None, {}, "", row.source, problem=why)


def at(row: model.Declared, commit: str) -> model.Declared:
    """The same document in another commit."""
    return dataclasses.replace(row, source=dataclasses.replace(row.source, commit=commit))


READINGS = (
    (),
    (mirror.Reading(rows=(A, B, C), commit="c1"),),
    (mirror.Reading(rows=(A, B), commit="c1"), mirror.Reading(rows=(at(A, "c2"), changed(B), C))),
    (
        mirror.Reading(rows=(A, B, C)),
        mirror.Reading(rows=(moved(A),), broken={"ssot/x/b.yaml": "ssot/x/b.yaml:3:1: no"}),
    ),
    (mirror.Reading(rows=(A, B, C)), mirror.Reading(rows=(A,), scope="ssot/x")),
    (mirror.Reading(rows=(A, B, C)), mirror.Reading(rows=(A,), complete=False)),
    (mirror.Reading(rows=(A, broken(B))), mirror.Reading(rows=(broken(A), broken(B)))),
    (
        mirror.Reading(rows=(A, broken(B), C), commit="c1"),
        mirror.Reading(
            rows=(C,), commit="c2", broken={"ssot/x/a.yaml": "no", "ssot/x/b.yaml": "no"}
        ),
        mirror.Reading(
            rows=(C,), complete=False, broken={"ssot/x/a.yaml": "no", "ssot/y/c.yaml": "no"}
        ),
        mirror.Reading(rows=(A, C), commit="c3"),
    ),
    (mirror.Reading(rows=(A,)), mirror.Reading(rows=(broken(A),)), mirror.Reading(rows=(A,))),
    (mirror.Reading(rows=(broken(A),)), mirror.Reading(rows=(broken(A, "worse"),))),
    (mirror.Reading(rows=(), code=CODE), mirror.Reading(rows=(), code={"lab": CODE["iris"]})),
)


def told(world: model.World) -> tuple[object, ...]:
    """What a world says of declarations; their order says nothing."""
    declared = {row.key: row for row in world.declared}
    return declared, world.declared_complete, world.mirrored, world.code


@pytest.mark.parametrize("other", [(), (A, C)])
@pytest.mark.parametrize("readings", READINGS)
async def test_the_expected_world_is_the_recorded_one(
    store: postgres.Postgres,
    readings: tuple[mirror.Reading, ...],
    other: tuple[model.Declared, ...],
) -> None:
    """Whatever stood there before, of this source or of another one."""
    if other:
        theirs = [
            dataclasses.replace(row, source=dataclasses.replace(row.source, source=OTHER))
            for row in other
        ]
        await store.mirror(OTHER, theirs, complete=True, commit=None)
    for reading in readings:
        expected = mirror.recorded(await worlds.world(store), reading)

        result = await mirror.record(store, reading)

        found = await worlds.world(store)
        assert told(found) == told(expected)
        assert result.epoch == expected.mirrored[mirror.EMBEDDED_SOURCE].epoch
