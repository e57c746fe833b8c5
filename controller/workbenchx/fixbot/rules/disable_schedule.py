"""A schedule whose runs keep failing: suspend it until somebody has looked."""

from collections.abc import Iterator

from workbenchx.fixbot import findings, scenes
from workbenchx.planner import model

NAME = "disable-schedule"
TOGETHER = "suspend {} schedules that keep failing"
IN_A_ROW = 3
_FIELD = ("spec", "lifecycle", "suspend")
_BAD = frozenset({model.ExecutionState.FAILED, model.ExecutionState.TIMED_OUT})


def find(scene: scenes.Scene) -> Iterator[findings.Finding]:
    """Each scheduled RunnerJob whose latest times all failed, in what would be executed now."""
    for key in sorted(scene.documents):
        spec = scene.spec(key)
        if key.kind != "RunnerJob" or spec is None or not spec.get("schedule"):
            continue
        if (spec.get("lifecycle") or {}).get("suspend"):
            continue
        runs = _latest(scene, key)
        if len(runs) == IN_A_ROW and all(run.state in _BAD for run in runs):
            yield findings.Finding(
                rule=NAME,
                key=key,
                field="spec.lifecycle.suspend",
                observed=False,
                desired=True,
                cause=f"Its latest {IN_A_ROW} times all failed, the last one with {runs[0].reason or 'Failed'}"
                f"{f': {runs[0].message}' if runs[0].message else ''}.",
                remedy="Suspend it, so that it costs nothing until somebody has looked.",
                edits=(findings.set_to(key, _FIELD, True),),
                project=scene.project_of(key),
                run_ids=tuple(run.run_id for run in runs),
                instead="Mend what fails; this closes by itself once a run succeeds.",
            )


def _latest(scene: scenes.Scene, key: model.Key) -> list[model.Execution]:
    """The last ended run of each of the latest times, the newest first."""
    times: dict[object, model.Execution] = {}
    for run in scene.world.executions:
        if run.key == key and run.operation == "execute" and run.scheduled_for:
            known = times.get(run.scheduled_for)
            if not run.state.open and (known is None or known.attempt < run.attempt):
                times[run.scheduled_for] = run
    newest = sorted(times.values(), key=lambda run: run.scheduled_for or model.EPOCH, reverse=True)
    return newest[:IN_A_ROW]
