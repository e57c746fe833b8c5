"""What a change of declared files would do: against an installation behind its API, or against the tree it started from."""

import dataclasses
import datetime
import pathlib
from collections.abc import Mapping

from workbenchx import errors, ports
from workbenchx.declared import validate
from workbenchx.engine import mirror
from workbenchx.forge import worktree
from workbenchx.planner import model, plan, rehearsal, review
from workbenchx.wiring import declaring, readahead, settings

_OTHER_CODE = "0" * 64


@dataclasses.dataclass(frozen=True, slots=True)
class Checked:
    """The answer. `read`: the plan is against what is recorded; else against `base`, as if all had gone well there."""

    read: bool
    base: str | None
    plan: model.Plan
    report: validate.Report
    findings: tuple[review.Finding, ...]


async def with_installation(access: ports.Access, target: pathlib.Path) -> Checked:
    """What recording the files under `target` would change in an installation."""
    before = await access.plan()
    after, report = await access.preview(target)
    return Checked(True, None, review.anew(after, before), report, review.findings(after, before))


async def with_base(chosen: settings.Settings, target: pathlib.Path, revision: str) -> Checked:
    """What the files under `target` change in the world that they left at `revision`. No code is run.

    Raises:
        errors.Stalled: there is no such commit, or `target` is not in the repository.
    """
    scope = readahead.scope_of(chosen.root, target)
    base = worktree.fork_point(chosen.root, revision)
    if base is None:
        raise errors.Stalled(
            f'base: "{revision}" is no commit here (in CI: fetch it, as with fetch-depth: 0)',
            reason="GitFailed",
        )
    head = await declaring.read(None, chosen.root, target, known={})
    then = declaring.of_commit(chosen.root, base, scope)
    code = _code(then, head.reading.code, worktree.changed(chosen.root, base))
    world = model.World(
        declared=tuple(then.reading.rows),
        declared_complete=True,
        code=code,
        now=datetime.datetime.now(datetime.UTC),
    )
    settled = rehearsal.settled(world)
    before = plan.plan(settled)
    after = plan.plan(mirror.swap(settled, head.reading))
    found = review.findings(after, before)
    return Checked(False, base, review.anew(after, before), head.report, found)


def _code(
    then: declaring.Declaration, now: Mapping[str, model.Code], changed: tuple[str, ...] | None
) -> dict[str, model.Code]:
    """The code of each project at the base: that of now, unless something in its folder changed."""
    found = {}
    for row in then.reading.rows:
        path = declaring.code_path(row.spec) if row.key.kind == "Project" else None
        if path is None:
            continue
        same = changed is not None and not any(mirror.under(name, path) for name in changed)
        other = model.Code(_OTHER_CODE)
        found[row.key.name] = now.get(row.key.name, other) if same else other
    return found
