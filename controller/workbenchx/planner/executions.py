"""What has been executed: the tries of each resource, and what the next one would be."""

import dataclasses
import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workbenchx.api import canonical
from workbenchx.planner import model

EXECUTE = "execute"
RECONCILING = frozenset({"create", "replace", "stop", "delete", "extend", "snapshot"})
BRINGING_UP = frozenset({"create", "replace"})
LONGEST_BACKOFF = 600.0

_EXECUTED_FIELDS = (
    "command",
    "env",
    "inputs",
    "network",
    "outputs",
    "provider",
    "resources",
    "runtime",
    "timeout",
)


def hash_of(
    spec: Mapping[str, Any], *, params: Mapping[str, Any] | None = None, seed: Any = None
) -> str:
    """The execution hash (decision 004): what would be executed, not with which image or code."""
    executed = {name: spec[name] for name in _EXECUTED_FIELDS if name in spec}
    if params:
        executed["params"] = dict(params)
    if seed is not None:
        executed["seed"] = seed
    return canonical.digest(executed)


@dataclasses.dataclass(frozen=True, slots=True)
class Track:
    """All recorded runs of one resource, oldest attempt first."""

    runs: Sequence[model.Execution] = ()

    @property
    def next_attempt(self) -> int:
        """The number of the next run, whatever its operation."""
        return self.runs[-1].attempt + 1 if self.runs else 1

    @property
    def last(self) -> model.Execution | None:
        """The newest run of any operation."""
        return self.runs[-1] if self.runs else None

    def open(self, operations: Iterable[str]) -> list[model.Execution]:
        """The runs under way of these operations."""
        return [run for run in self.runs if run.state.open and run.operation in operations]

    def latest(
        self,
        operations: Iterable[str],
        *,
        execution_hash: str | None = None,
    ) -> model.Execution | None:
        """The newest run of these operations (of this execution hash)."""
        for run in reversed(self.runs):
            if run.operation in operations and execution_hash in {None, run.execution_hash}:
                return run
        return None

    def latest_unscheduled(self, execution_hash: str) -> model.Execution | None:
        """The newest execution of this hash that no schedule started."""
        for run in reversed(self.runs):
            wanted = run.operation == EXECUTE and run.scheduled_for is None
            if wanted and run.execution_hash == execution_hash:
                return run
        return None


NOTHING = Track()


def history(executions: Iterable[model.Execution]) -> dict[model.Key, Track]:
    """The runs by resource, whatever order they came in."""
    grouped: dict[model.Key, list[model.Execution]] = {}
    for run in executions:
        grouped.setdefault(run.key, []).append(run)
    for runs in grouped.values():
        if len(runs) > 1:
            runs.sort(key=lambda run: (run.attempt, run.run_id))
    return {key: Track(tuple(runs)) for key, runs in grouped.items()}


def due_again(run: model.Execution, backoff: float) -> datetime.datetime:
    """When the next try after `run` may start: twice as long after each, at most ten minutes."""
    pause = min(backoff * 2.0 ** min(max(run.tries, 1) - 1, 16), LONGEST_BACKOFF)
    return (run.ended_at or model.EPOCH) + datetime.timedelta(seconds=pause)
