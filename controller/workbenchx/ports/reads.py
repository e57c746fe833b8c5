"""What people ask about an installation: rows as dictionaries, whoever answers."""

import datetime
from collections.abc import Mapping
from typing import Any, Protocol

from workbenchx.planner import model

Row = dict[str, Any]
TREE = (
    "kind",
    "namespace",
    "name",
    "project",
    "state",
    "ready",
    "reason",
    "message",
    "last_run_id",
    "provider",
    "parent",
    "cost",
    "url",
    "facts",
)


class Reads(Protocol):
    """Questions to one installation: its database, or the API in front of it.

    Laws: both answer the same question with the same rows, value for value (times are aware UTC datetimes, money is
    Decimal); nothing here writes; what the caller may not see is absent, never an error.
    """

    async def resources(
        self,
        *,
        kind: str | None = None,
        namespace: str | None = None,
        name: str | None = None,
        project: str | None = None,
    ) -> list[Row]:
        """Living resources, by kind and name. `parent` is the Experiment of a matrix run."""

    async def tree(self) -> list[Row]:
        """All living resources, in no order, with what a tree shows of them (TREE); `url` is where one answers."""

    async def moment(self, said: str) -> datetime.datetime:
        """The time that people mean: a time with its zone, an age such as `2h`, or a commit while it was current.

        Raises:
            errors.Stalled: reason InvalidTime, InFuture, BeforeHistory, CommitUnknown or CommitAmbiguous.
        """

    async def resources_at(
        self,
        at: datetime.datetime,
        *,
        kind: str | None = None,
        namespace: str | None = None,
        name: str | None = None,
    ) -> list[Row]:
        """What lived at a time, as it was recorded then, with its spec and its document's, by kind and name.

        Raises:
            errors.Stalled: reason InFuture or BeforeHistory.
        """

    async def resource(self, key: model.Key) -> Row:
        """One living resource with spec, parameters, metrics, and its document's problem.

        Raises:
            errors.Stalled: reason NotFound.
        """

    async def resource_by_name(
        self, kind: str, name: str, *, namespace: str | None = None
    ) -> list[Row]:
        """Living resources of that kind and name: one for each namespace that has one."""

    async def fields(self, key: model.Key) -> Row:
        """The `declared` and `recorded` spec of a living resource, and the `observed` fields; None: not there.

        Raises:
            errors.Stalled: reason NotFound.
        """

    async def declared_specs(
        self, *, outside: str | None = None
    ) -> dict[model.Key, Mapping[str, Any]]:
        """The spec of every declared identity; with `outside`, of those that are not declared under that path."""

    async def declared_problems(self) -> list[Row]:
        """Documents that are invalid as they stand; `good`: an earlier version is in force."""

    async def runs(
        self,
        *,
        kind: str | None = None,
        namespace: str | None = None,
        name: str | None = None,
        project: str | None = None,
        uid: str | None = None,
        state: str | None = None,
        limit: int = 50,
    ) -> list[Row]:
        """Runs, the latest first. `state`: one of the states, or "open"."""

    async def run(self, run_id: str) -> Row:
        """One run by its id or any beginning of it that is no other's.

        Raises:
            errors.Stalled: reason RunNotFound or RunAmbiguous.
        """

    async def events(self, run_id: str, *, after: int = 0, limit: int = 10_000) -> list[Row]:
        """Events of a run in order, from behind `after` on."""

    async def artifacts(self, *, run_id: str | None = None) -> list[Row]:
        """Pointers, the latest first; `kind`, `namespace` and `owner` name the resource whose run made each."""

    async def artifact(self, word: str) -> Row:
        """The latest artifact of that name, id or sha256 (of the two latter, six digits will do).

        Raises:
            errors.Stalled: reason ArtifactMissing.
        """

    async def history(self, key: model.Key) -> list[Row]:
        """What was true of a resource when, the latest first; also if it no longer lives."""

    async def counts_open(self) -> Row:
        """Open runs: `reconciling`, `executing` (unscheduled), `scheduled`, and how many of them are `waiting`."""

    async def leader(self) -> Row:
        """Who leads; `alive`: the lease is good."""

    async def interventions(self, *, limit: int = 50) -> list[Row]:
        """What people ordered, the latest first."""

    async def proposals(self) -> list[Row]:
        """What FixBot proposes, the latest first."""

    async def fix_waits(self) -> list[Row]:
        """What FixBot found at its last look and has no pull request for, with `why`, the oldest first."""

    async def fix_answers(self) -> list[Row]:
        """What models answered about failed runs, the latest first: `state`, `message`, `cost`, `reply` (None: none is to be used)."""

    async def deliveries(
        self, *, source: str | None = None, waiting: bool = False, limit: int = 50
    ) -> list[Row]:
        """Webhooks that were put down, the latest first: of one Source (namespace/name), or only those that wait."""

    async def delivery_tallies(self, *, source: str | None = None, limit: int = 50) -> list[Row]:
        """Webhooks that were not put down, counted by `why`, what came last first."""

    async def chains(self, run_id: str | None = None) -> list[Row]:
        """How the chains of events stand, of one run (or a beginning of its id) or of all: `wbx db verify`."""
