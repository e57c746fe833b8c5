"""How much a Project may have at the same time, and how much of it this plan has given away."""

import collections
from collections.abc import Mapping
from typing import Any

from workbenchx.api import reasons
from workbenchx.planner import index, model, verdicts


class Allowance:
    """The quotas of all projects, counted down while steps are put into the plan."""

    def __init__(self, looked_up: index.Index) -> None:
        self._index = looked_up
        self._used: dict[str, collections.Counter[str]] | None = None

    def take(self, project: str | None, what: str, gpus: int = 0) -> verdicts.Refusal | None:
        """Take one of `what` (runs, sessions) and its GPUs, or say which quota is used up."""
        quota = self._quota(project)
        if not quota or project is None:
            return None
        used = self._counted().setdefault(project, collections.Counter())
        wanted = {what: 1, "gpus": gpus}
        for name, amount in sorted(wanted.items()):
            limit = quota.get(name)
            if isinstance(limit, int) and amount and used[name] + amount > limit:
                message = f"spec.quota.{name} of Project/{project} is {limit} at the same time"
                return verdicts.Refusal(reasons.Reason.QUOTA_EXCEEDED, message)
        used.update(wanted)
        return None

    def _quota(self, project: str | None) -> Mapping[str, Any]:
        owner = self._index.project(project)
        quota = owner.spec.get("quota") if owner else None
        return quota if isinstance(quota, Mapping) else {}

    def _counted(self) -> dict[str, collections.Counter[str]]:
        if self._used is None:
            self._used = {}
            for run in self._index.world.executions:
                if run.state.open and run.operation in {"execute", "reproduce"}:
                    self._count(run.key, "runs")
            for subject in self._index.ordered:
                if subject.key.kind in {"Session", "AppDeployment"} and self._lives(subject.key):
                    self._count(
                        subject.key, "sessions" if subject.key.kind == "Session" else "apps"
                    )
        return self._used

    def _lives(self, key: model.Key) -> bool:
        subject = self._index.resources[key]
        opening = self._index.track(subject).open({"create", "replace"})
        return subject.external_id is not None or bool(opening)

    def _count(self, key: model.Key, what: str) -> None:
        project, spec = self._owner(key)
        if project:
            wanted = {what: 1, "gpus": gpus_of(spec)}
            self._used = self._used or {}
            self._used.setdefault(project, collections.Counter()).update(wanted)

    def _owner(self, key: model.Key) -> tuple[str | None, Mapping[str, Any]]:
        """The project and spec behind a run: a matrix run's are its Experiment's."""
        subject = self._index.resources.get(key)
        if subject is None or key.kind == "ExperimentRun":
            name = subject.spec.get("experiment") if subject else key.name.rpartition("-")[0]
            subject = self._index.resources.get(model.Key("Experiment", key.namespace, str(name)))
        return (subject.project, subject.spec) if subject else (None, {})


def gpus_of(spec: Mapping[str, Any]) -> int:
    """The GPUs that a spec asks for."""
    resources = spec.get("resources")
    count = resources.get("gpu", 0) if isinstance(resources, Mapping) else 0
    return count if isinstance(count, int) else 0
