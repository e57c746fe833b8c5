"""A failed run whose cause no other rule mends: what a model was asked about it, and the change that it wrote.

Off unless a project names it in spec.fixbot.rules, since each question costs money. The engine asks (`candidates`), keeps the
answer, and puts it into the scene; the rule finds only what was asked for.
"""

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from workbenchx import errors
from workbenchx.api import canonical, identity
from workbenchx.fixbot import asked, findings, scenes, scripts
from workbenchx.planner import model

NAME = "write-fix"
TOGETHER = "mend {} failed runs"
IN_A_ROW = 3
MAY_CHANGE = frozenset(
    {"command", "env", "health", "inputs", "outputs", "params", "ports", "preStop", "timeout"}
)
"""Fields of spec that an answer may change: none that costs more, reaches further, or belongs to somebody else."""
_KINDS = frozenset({"AppDeployment", "ExperimentRun", "RunnerJob", "Session"})
_REASONS = ("Failed", "OutputMissing", "StartFailed")
_BAD = frozenset({model.ExecutionState.FAILED, model.ExecutionState.TIMED_OUT})
_EXECUTING = frozenset({"create", "execute", "replace", "update"})

_INSTEAD = "Mend it otherwise; this closes by itself once its files are others or a run succeeds."
_SCRIPT = " A changed script alone starts no run: `wbx run {}` does."


@dataclasses.dataclass(frozen=True)
class Cause:
    """A failure that could be asked about. `runs`: the latest first; `files`: what belongs to the resource, by path."""

    key: identity.Key
    project: str | None
    reason: str
    runs: tuple[model.Execution, ...]
    files: Mapping[str, str]

    @property
    def observed(self) -> str:
        """How it failed, with what: the same files that fail in the same way are the same cause."""
        code = self.runs[0].exit_code
        return f"{self.reason}, exit code {'unknown' if code is None else code}, files {canonical.digest(dict(self.files))[:16]}"

    @property
    def finding(self) -> findings.Finding:
        """It, before anybody was asked."""
        latest = self.runs[0]
        times = (
            f"Its latest {len(self.runs)} runs all failed alike"
            if len(self.runs) > 1
            else "Its latest run failed"
        )
        said = f" ({latest.message})" if latest.message else ""
        return findings.Finding(
            rule=NAME,
            key=self.key,
            field="run",
            observed=self.observed,
            desired="succeeded",
            cause=f"{times}: {self.reason}{said}.",
            remedy="",
            project=self.project,
            run_ids=tuple(run.run_id for run in self.runs),
            instead=_INSTEAD + (_SCRIPT.format(self.key) if len(self.files) > 1 else ""),
        )


def failing(scene: scenes.Scene) -> list[model.Recorded]:
    """Every resource whose version in force ended in a way that a change of its files may mend."""
    return [row for row, _ in scene.failing(_REASONS) if row.key.kind in _KINDS]


def candidates(scene: scenes.Scene) -> list[Cause]:
    """Every resource whose latest runs all failed alike, with the files as they are, by key."""
    found = (_cause(scene, row) for row in failing(scene))
    return [cause for cause in found if cause is not None]


def covered(key: identity.Key, found: Collection[findings.Finding]) -> bool:
    """Whether another rule mends what is wrong with a resource; to suspend its schedule mends nothing."""
    return any(
        item.key == key and item.edits and item.rule not in {NAME, "disable-schedule"}
        for item in found
    )


def find(scene: scenes.Scene) -> Iterator[findings.Finding]:
    """Each cause that was asked about, with the change that was accepted, or why there is none."""
    if not scene.answers:
        return
    for cause in candidates(scene):
        answer = scene.answers.get(cause.key)
        if answer is not None and answer.cause == cause.finding.fingerprint:
            yield _told(cause, answer)


def beyond(scene: scenes.Scene, then: scenes.Scene, key: identity.Key) -> str:
    """What of the change is no business of an answer; "": nothing."""
    for other in sorted(scene.declared.keys() | then.declared.keys()):
        before, after = scene.declared.get(other), then.declared.get(other)
        same = before is not None and after is not None and before.hash == after.hash
        if other != key and not same:
            return f"it would change {other} too"
    mine, new = scene.declared.get(key), then.declared.get(key)
    if mine is None or new is None:
        return f"{key} would not be declared any more"
    changed = {
        name
        for name in mine.spec.keys() | new.spec.keys()
        if mine.spec.get(name) != new.spec.get(name)
    }
    if changed - MAY_CHANGE:
        return (
            f"it would change {', '.join(f'spec.{name}' for name in sorted(changed - MAY_CHANGE))}"
        )
    if _secrets(mine.spec) != _secrets(new.spec):
        return "it would change which secrets the command gets"
    return _effects(scene, then, key)


def _effects(scene: scenes.Scene, then: scenes.Scene, key: identity.Key) -> str:
    """What the plan would do beyond running this again."""
    known = {(step.action, step.subject, step.because) for step in scene.plan.steps}
    for step in then.plan.steps:
        if (step.action, step.subject, step.because) in known:
            continue
        if step.subject != key:
            return f"the plan would {step.action.value} {step.subject} too"
        if step.destructive:
            return f"the plan would destroy what there is of {step.subject}"
    return ""


def _secrets(spec: Mapping[str, Any]) -> list[Any]:
    return sorted(
        canonical.text(item) for item in spec.get("env") or () if item.get("secretRef") is not None
    )


def _cause(scene: scenes.Scene, row: model.Recorded) -> Cause | None:
    runs = _alike(scene, row.key)
    try:
        files = scripts.files_of(scene, row.key)
    except errors.Stalled:
        return None
    return Cause(row.key, row.project, row.reason, runs, files) if runs and files else None


def _alike(scene: scenes.Scene, key: identity.Key) -> tuple[model.Execution, ...]:
    """The latest runs of what was executed last, if all of them failed in one way and none is under way."""
    runs = [run for run in scene.world.executions if run.key == key and run.operation in _EXECUTING]
    if not runs or any(run.state.open for run in runs):
        return ()
    runs.sort(key=lambda run: run.attempt, reverse=True)
    same = [run for run in runs if run.execution_hash == runs[0].execution_hash][:IN_A_ROW]
    ways = {(run.state, run.reason, run.exit_code) for run in same}
    return tuple(same) if len(ways) == 1 and same[0].state in _BAD else ()


def _told(cause: Cause, answer: asked.Answer) -> findings.Finding:
    asked_of = f'A model ("{answer.alias}") was asked' if answer.alias else "A model is to be asked"
    bare = cause.finding
    if answer.state is not asked.State.ACCEPTED or answer.reply is None:
        why = f": {answer.message}" if answer.message else ""
        waits = answer.state is asked.State.WAITS
        text = (
            f"{asked_of}, and nothing is proposed{' yet' if waits else ''}{why}. Mend it by hand."
        )
        return dataclasses.replace(bare, remedy=text)
    return dataclasses.replace(
        bare,
        remedy=f"{asked_of} and wrote this change. Read it as you would read a stranger's.",
        quoted=f"{answer.reply.title}\n{answer.reply.reason}",
        edits=tuple(
            findings.Edit(cause.key, findings.Change.REPLACE, (each.path,), [each.old, each.new])
            for each in answer.reply.edits
        ),
    )
