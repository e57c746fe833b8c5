"""Declared documents into `ops.declared`, together with the snapshot of each project's code.

The rows of a file that could not be read or parsed stay as they are: a bad file never deletes what it declared.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from workbenchx import ports
from workbenchx.engine import failpoints
from workbenchx.planner import model

EMBEDDED_SOURCE = ports.GIVEN


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What a folder declares now.

    `broken`: paths of files whose documents are unknown, with what is wrong there; `scope`: the path prefix that was read (None: all); `complete`: every
    folder could be looked into, so that absence means something.
    """

    rows: Sequence[model.Declared]
    broken: Mapping[str, str] = dataclasses.field(default_factory=dict)
    scope: str | None = None
    commit: str | None = None
    code: Mapping[str, model.Code] = dataclasses.field(default_factory=dict)
    complete: bool = True


async def record(
    store: ports.Store, reading: Reading, *, source: str = EMBEDDED_SOURCE
) -> ports.MirrorResult:
    """Write one reading. What broken files declared before is kept, and refused from now on."""
    failpoints.reach("mirror.before")
    result = await store.mirror(
        source,
        reading.rows,
        complete=reading.complete,
        commit=reading.commit,
        scope=reading.scope,
        broken=reading.broken,
        code=reading.code,
    )
    failpoints.reach("mirror.after")
    return result


def recorded(world: model.World, reading: Reading, *, source: str = EMBEDDED_SOURCE) -> model.World:
    """The world once `reading` is recorded as the next one of its source: what `record` makes of the table."""
    before = {row.key: row for row in world.declared}
    declared = {
        key: _refused(row, reading, source)
        for key, row in before.items()
        if not _replaced(row, reading, source)
    }
    for row in reading.rows:
        declared[row.key] = _upserted(before.get(row.key), row, source)
    last = world.mirrored.get(source)
    this = model.Mirrored(last.epoch + 1 if last else 1, reading.complete)
    mirrored = {**world.mirrored, source: this}
    return dataclasses.replace(
        world,
        declared=tuple(declared.values()),
        declared_complete=all(each.complete for each in mirrored.values()),
        mirrored=mirrored,
        code={**world.code, **reading.code},
    )


def _upserted(old: model.Declared | None, new: model.Declared, source: str) -> model.Declared:
    """The first source keeps a name; a problem keeps the last good document; a new commit alone changes nothing."""
    if old is None:
        return new
    place = (new.source.path, new.source.line, new.problem, new.source.repo)
    stands = place == (old.source.path, old.source.line, old.problem, old.source.repo)
    if new.problem is None:
        stands = stands and (new.hash, new.project) == (old.hash, old.project)
    if stands or old.source.source != source:
        return old
    if new.problem is not None and old.hash:
        return dataclasses.replace(old, problem=new.problem, source=new.source)
    return new


def swap(world: model.World, reading: Reading, *, source: str = EMBEDDED_SOURCE) -> model.World:
    """The world as it would be if `reading` were recorded: for `wbx plan`, nothing is written."""
    kept = [row for row in world.declared if not _replaced(row, reading, source)]
    declared = {row.key: _refused(row, reading, source) for row in kept} | {
        row.key: row for row in reading.rows
    }
    policy = dataclasses.replace(world.policy, scope=reading.scope)
    return dataclasses.replace(
        world,
        declared=tuple(declared.values()),
        declared_complete=reading.complete,
        code={**world.code, **reading.code},
        policy=policy,
    )


def _refused(row: model.Declared, reading: Reading, source: str) -> model.Declared:
    """What stays of a row whose file cannot be read: its last good document, and what is wrong."""
    problem = reading.broken.get(row.source.path or "")
    if problem is None or row.source.source != source or problem == row.problem:
        return row
    place = dataclasses.replace(row.source, commit=reading.commit)
    return dataclasses.replace(row, problem=problem, source=place)


def _replaced(row: model.Declared, reading: Reading, source: str) -> bool:
    path = row.source.path or ""
    if row.source.source != source or path in reading.broken or not reading.complete:
        return False
    return reading.scope is None or under(path, reading.scope)


def under(path: str, scope: str) -> bool:
    """Whether `path` is `scope` or lies below it."""
    return scope in {"", "."} or path == scope or path.startswith(scope.rstrip("/") + "/")
