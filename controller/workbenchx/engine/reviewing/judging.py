"""What merging a change would do to the world as it is recorded. Pure."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx import ports
from workbenchx.api import reasons
from workbenchx.engine import mirror
from workbenchx.engine.reviewing import changing, remarking
from workbenchx.planner import brakes, model, plan, review


@dataclasses.dataclass(frozen=True, slots=True)
class Judged:
    """What is to be said. `plan`: what the merge does by itself; None: it cannot be merged, or not be read (`unread`: why)."""

    plan: model.Plan | None
    remarks: Sequence[remarking.Remark] = ()
    conflicts: Sequence[str] = ()
    unread: str = ""
    confirms: Sequence[str] = ()

    @property
    def refused(self) -> int:
        """How many things speak against it."""
        return remarking.refusing(self.remarks) + (self.plan is None)

    @property
    def verdict(self) -> ports.Verdict:
        """Whether it is acceptable."""
        if self.unread:
            return ports.Verdict.ERROR
        return ports.Verdict.FAILURE if self.refused else ports.Verdict.SUCCESS


def judge(
    world: model.World,
    before: model.Plan,
    source: ports.Reviewable,
    found: changing.Change,
) -> Judged:
    """Judge a merge. `before` is the plan of `world`: what it does or refuses anyway is not the change's fault."""
    if found.reading is None:
        return Judged(None, conflicts=tuple(found.conflicts))
    reading, foreign = own(found.reading, source)
    taken = _taken(world, reading, source)
    then = mirror.recorded(world, _kept(world, reading, source), source=source.source)
    after = plan.plan(_free(then, before, source.source))
    changed = review.only(after, before)
    places = {row.key: (row.source.path or "", row.source.line or 0) for row in reading.rows}
    said = remarking.of(found.problems, review.findings(changed, before), places)
    remarks = tuple(sorted([*said, *taken, *foreign]))
    return Judged(changed, remarks, confirms=tuple(found.confirms))


def _free(then: model.World, before: model.Plan, source: str) -> model.World:
    """The world in which its source is bound by no earlier review: this change gets one of its own. What that one holds stays held."""
    if source not in then.bounds:
        return then
    held = {step.subject for step in before.steps if step.because is model.Because.NOT_REVIEWED}
    bounds = {name: marks for name, marks in then.bounds.items() if name != source}
    if held:
        keys = {row.key for row in then.declared} | {row.key for row in then.recorded}
        bounds[source] = frozenset(map(brakes.mark, keys - held))
    return dataclasses.replace(then, bounds=bounds)


def own(
    reading: mirror.Reading, source: ports.Reviewable
) -> tuple[mirror.Reading, list[remarking.Remark]]:
    """The reading under its source's name, without what that one may not apply; a notice for each of these."""
    rows = [
        dataclasses.replace(row, source=dataclasses.replace(row.source, source=source.source))
        for row in reading.rows
    ]
    mine = tuple(row for row in rows if source.may(row.key))
    skipped = [
        _remark(
            row,
            "notice",
            reasons.Reason.OUTSIDE_PROJECT.value,
            f'is skipped: this source applies only what is in the namespace "{source.namespace}"',
        )
        for row in rows
        if not source.may(row.key)
    ]
    return dataclasses.replace(reading, rows=mine), skipped


def _taken(
    world: model.World, reading: mirror.Reading, source: ports.Reviewable
) -> list[remarking.Remark]:
    """The first source keeps a name."""
    others = {
        row.key: row.source.source for row in world.declared if row.source.source != source.source
    }
    return [
        _remark(
            row,
            "error",
            reasons.Reason.CONFLICT.value,
            f'is declared by another source already ("{others[row.key]}"), which keeps it',
        )
        for row in reading.rows
        if row.key in others
    ]


def _kept(world: model.World, reading: mirror.Reading, source: ports.Reviewable) -> mirror.Reading:
    """Without prune, what is no longer said stays."""
    if source.prune:
        return reading
    said = {row.key for row in reading.rows}
    staying = [
        row for row in world.declared if row.source.source == source.source and row.key not in said
    ]
    return dataclasses.replace(reading, rows=(*reading.rows, *staying))


def known(world: model.World, source: ports.Reviewable) -> Mapping[model.Key, Mapping[str, Any]]:
    """What other sources declare, to which a change may refer."""
    return {
        row.key: row.spec
        for row in world.declared
        if row.source.source != source.source and row.hash
    }


def _remark(row: model.Declared, level: str, rule: str, message: str) -> remarking.Remark:
    place = row.source
    return remarking.Remark(
        place.path or "", place.line or 0, 1, level, rule, str(row.key), message
    )
