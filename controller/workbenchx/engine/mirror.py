"""Declared documents into `ops.declared`, together with the snapshot of each project's code.

The rows of a file that could not be read or parsed stay as they are: a bad file never deletes what it declared.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from workbenchx import ports
from workbenchx.engine import failpoints
from workbenchx.planner import model

EMBEDDED_SOURCE = "embedded"


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What a folder declares now.

    `broken`: paths whose documents are unknown; `scope`: the path prefix that was read (None: all); `complete`: every
    folder could be looked into, so that absence means something.
    """

    rows: Sequence[model.Declared]
    broken: Sequence[str] = ()
    scope: str | None = None
    commit: str | None = None
    code: Mapping[str, model.Code] = dataclasses.field(default_factory=dict)
    complete: bool = True


async def record(
    store: ports.Store, reading: Reading, *, source: str = EMBEDDED_SOURCE
) -> ports.MirrorResult:
    """Write one reading. What broken files declared before is kept, not forgotten."""
    failpoints.reach("mirror.before")
    result = await store.mirror(
        source,
        reading.rows,
        complete=reading.complete,
        commit=reading.commit,
        scope=reading.scope,
        keep_paths=reading.broken,
        code=reading.code,
    )
    failpoints.reach("mirror.after")
    return result


def swap(world: model.World, reading: Reading, *, source: str = EMBEDDED_SOURCE) -> model.World:
    """The world as it would be if `reading` were recorded: for `wbx plan`, nothing is written."""
    kept = [row for row in world.declared if not _replaced(row, reading, source)]
    declared = {row.key: row for row in kept} | {row.key: row for row in reading.rows}
    policy = dataclasses.replace(world.policy, scope=reading.scope)
    return dataclasses.replace(
        world,
        declared=tuple(declared.values()),
        declared_complete=reading.complete,
        code={**world.code, **reading.code},
        policy=policy,
    )


def _replaced(row: model.Declared, reading: Reading, source: str) -> bool:
    path = row.source.path or ""
    if row.source.source != source or path in reading.broken or not reading.complete:
        return False
    return reading.scope is None or under(path, reading.scope)


def under(path: str, scope: str) -> bool:
    """Whether `path` is `scope` or lies below it."""
    return scope in {"", "."} or path == scope or path.startswith(scope.rstrip("/") + "/")
