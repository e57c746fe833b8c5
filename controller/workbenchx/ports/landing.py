"""Clusters that Sources are applied to, and what the database knows of that."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from workbenchx.api import attached
from workbenchx.planner import model


@dataclasses.dataclass(frozen=True, slots=True)
class Account:
    """Who applies: a ServiceAccount of the Source's namespace, for one source."""

    namespace: str
    name: str
    source: str


@dataclasses.dataclass(frozen=True, slots=True)
class Manifest:
    """An object as it is to be. `spec` is JSON, and so is `metadata`: labels and annotations (api/attached).

    `ours`: we applied it before, so whoever changed a field since is overruled.
    """

    key: model.Key
    spec: str
    hash: str
    ours: bool
    metadata: str = attached.NOTHING


@dataclasses.dataclass(frozen=True, slots=True)
class Placed:
    """What a source applied, as recorded. `applied` False: it may be there, or the cluster refused it."""

    key: model.Key
    hash: str
    repo: str | None
    path: str | None
    line: int | None
    project: str | None
    applied: bool
    metadata: str = attached.NOTHING


@dataclasses.dataclass(frozen=True, slots=True)
class Landed:
    """How applying a commit ended. `refused`: what the cluster did not take, with its words; `gone`: what was pruned.

    `found` is for people, as `Applying.found`; `held` is the plan of a prune that waits for a person; `tokens`: what the
    commit's trailers confirm beside that.
    """

    commit: str
    applied: Sequence[model.Key]
    refused: Mapping[model.Key, str]
    gone: Sequence[model.Key]
    found: Mapping[str, Any]
    held: model.Plan | None = None
    tokens: Sequence[str] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class MergeBound:
    """What a commit may prune. `decided` False: whose merge it is is not known yet, so it prunes nothing for now.

    `destroys`: marks (planner.brakes) of what the reviewed plan of its pull request destroyed; None: no review binds it.
    """

    decided: bool
    destroys: frozenset[str] | None = None


class Cluster(Protocol):
    """An API server, spoken to as the account of a source.

    Raises Waiting(ClusterUnavailable) where it does not answer, Stalled(SourceRefused) where we may not speak as the account.
    """

    async def apply(
        self, account: Account, manifests: Sequence[Manifest]
    ) -> Mapping[model.Key, str]:
        """Server-side apply of each; what was refused, in the server's words. What another manager owns is not taken from it."""

    async def objects(
        self, account: Account, keys: Sequence[model.Key]
    ) -> Mapping[model.Key, Mapping[str, Any]]:
        """Each that is there and that the account may see, as the server has it."""

    async def delete(self, account: Account, keys: Sequence[model.Key]) -> Mapping[model.Key, str]:
        """Delete what still bears the source's mark; what was refused. One that is gone, or another's by now, is a success."""


class Inventory(Protocol):
    """What the database knows of what sources applied. Every write is of the worker that holds the source."""

    async def placed(self, source: str) -> Sequence[Placed]:
        """All that the source applied, or meant to."""

    async def misplaced(self, source: str) -> Sequence[Manifest]:
        """What the cluster shows otherwise than it was applied, as far as the operator has mirrored it; suspended ones left out.

        `ours` False: it was never applied, or the cluster refused it.
        """

    async def intend(
        self, worker: str, source: str, commit: str, rows: Sequence[model.Declared]
    ) -> Sequence[tuple[model.Key, str]]:
        """Write down what is about to be applied; what of it is another source's, and whose. Its review binds from now on.

        Raises:
            errors.Conflict: another worker follows the source.
        """

    async def confirmed(self, source: str, token: str) -> bool:
        """Whether a person, or a commit of this source, confirmed this token within the last hour."""

    async def merge_bound(self, source: str, commit: str) -> MergeBound:
        """What this commit of a source with a forge may prune."""

    async def landed(
        self, worker: str, source: str, *, run_id: str, pause: float, landed: Landed
    ) -> None:
        """Record how it ended, tell it by a run, and let go of the source: one transaction.

        Raises:
            errors.Conflict: another worker follows it.
        """
