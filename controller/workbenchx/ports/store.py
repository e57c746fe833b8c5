"""The `ops` schema, as the engine needs it."""

import dataclasses
import datetime
import decimal
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from workbenchx.planner import model
from workbenchx.ports.sandboxes import Observation, SandboxStatus
from workbenchx.ports.storage import Blob


@dataclasses.dataclass(frozen=True, slots=True)
class Installation:
    """The one row of `ops.installation`."""

    id: str
    environment: str


@dataclasses.dataclass(frozen=True, slots=True)
class Option:
    """One provider object in force. `credentials` are references (`{env: NAME}` or `{file: PATH}`), never values."""

    kind: str
    name: str
    adapter: str
    default: bool
    settings: Mapping[str, Any]
    credentials: Mapping[str, Any]
    limits: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    prices: Sequence[Mapping[str, Any]] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Served:
    """A running app with a health check. `healthy` is what its observation says; seconds are numbers."""

    provider: str
    external_id: str
    url: str
    interval: float
    timeout: float
    failures: int
    healthy: bool


@dataclasses.dataclass(frozen=True, slots=True)
class MirrorResult:
    """What mirroring a source changed in `ops.declared`."""

    changed: int
    removed: int
    epoch: int


@dataclasses.dataclass(frozen=True, slots=True)
class RunOrder:
    """A run to be queued. `document` is all that a worker needs; `resource_uid` names the row it acts for.

    `intent`: (adapter, name) of the object that the run will make; it goes into the ledger with the order.
    """

    run_id: str
    key: model.Key
    resource_uid: str
    project: str | None
    operation: str
    provider: str
    document: Mapping[str, Any]
    execution_hash: str = ""
    attempt: int = 1
    tries: int = 1
    timeout: float = 3600.0
    external_id: str | None = None
    scheduled_for: datetime.datetime | None = None
    cost_estimate: decimal.Decimal = decimal.Decimal(0)
    intent: tuple[str, str] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class RowWrite:
    """One resource row to be written by a settle batch (create, update, adopt or rename; `uid` None: new)."""

    declared: model.Declared
    uid: str
    action: model.Action
    because: model.Because
    renamed_from: model.Key | None = None
    fields: tuple[model.FieldChange, ...] = ()
    parent_uid: str | None = None
    parameters: Mapping[str, Any] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """All row changes of one engine pass. Written in one transaction, fenced by the leader's epoch.

    `tombstones`: (key, uid, because, action). `verdicts`: only those that differ from what is recorded.
    """

    run_id: str
    rows: Sequence[RowWrite] = ()
    tombstones: Sequence[tuple[model.Key, str, model.Because, model.Action]] = ()
    verdicts: Sequence[tuple[str, model.Verdict]] = ()
    orders: Sequence[RunOrder] = ()
    cancels: Sequence[str] = ()
    applied_interventions: Sequence[str] = ()
    plan: model.Plan | None = None
    commit: str | None = None

    @property
    def empty(self) -> bool:
        """Whether writing the batch would change nothing."""
        return not (
            self.rows
            or self.tombstones
            or self.verdicts
            or self.orders
            or self.cancels
            or self.applied_interventions
        )


@dataclasses.dataclass(frozen=True, slots=True)
class ClaimedRun:
    """A run that this worker holds. `reattach`: another worker held it before; its sandbox may exist.

    `started`: the command of this attempt was claimed, so it may have been started. `cancelled`: a person asked for its end
    already. `traceparent`: the trace of the request that ordered it.
    """

    run_id: str
    key: model.Key
    resource_uid: str
    project: str | None
    operation: str
    provider: str
    document: Mapping[str, Any]
    attempt: int
    fencing: int
    reattach: bool
    deadline: datetime.datetime
    external_id: str | None
    started_at: datetime.datetime | None = None
    traceparent: str | None = None
    started: bool = False
    cancelled: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """One entry of `ops.run_events`."""

    run_id: str
    type: str
    data: Mapping[str, Any]
    actor: str = "engine"


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `facts` are merged into the resource's recorded facts in the same transaction."""

    state: model.ExecutionState
    reason: str
    message: str = ""
    exit_code: int | None = None
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    artifacts: Sequence[tuple[str, Blob, str]] = ()
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    cost: decimal.Decimal = decimal.Decimal(0)
    started_at: datetime.datetime | None = None
    ended_at: datetime.datetime | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Beat:
    """The answer to a heartbeat: which of my runs are still mine, and which of them must stop."""

    mine: frozenset[str]
    cancel: frozenset[str]


class Store(Protocol):
    """The `ops` schema. Every write is one transaction; every bulk verb is a constant number of statements.

    Laws: a write guarded by a fencing token or a leader's epoch that is stale changes nothing and answers False (or
    raises Conflict); an event is written in the transaction of the change it tells; nothing here sleeps or retries,
    except that a lost connection becomes Waiting(reason="DatabaseUnavailable").
    """

    async def installation(self) -> Installation:
        """This database's installation row (made by migrate)."""

    async def join(self, cluster_uid: str) -> None:
        """Bind the installation to a cluster: the first one stays, another one is Stalled(reason="OtherCluster")."""

    async def options(self) -> tuple[Option, ...]:
        """Every provider object in force, by kind; the default of each kind first."""

    async def served(self) -> Sequence[Served]:
        """The running apps that have a health check, with the address to ask."""

    async def record_health(self, provider: str, external_id: str, *, healthy: bool) -> None:
        """What asking an app showed. It stays with its observation through later looks, while it runs."""

    async def looked_at(self) -> Mapping[str, datetime.datetime]:
        """When each provider was last observed, by adapter."""

    # leadership
    async def acquire_leader(self, holder: str, ttl: float) -> int | None:
        """Become leader if nobody else holds an unexpired lease; the new epoch, else None."""

    async def renew_leader(self, holder: str, epoch: int, ttl: float) -> bool:
        """Keep the lease; False: lost."""

    async def release_leadership(self, holder: str) -> None:
        """Give back leadership that a process surely no longer uses (it is known dead)."""

    async def release_leader(self, holder: str, epoch: int) -> None:
        """Give the lease back (another may acquire at once)."""

    # declared
    async def mirror(
        self,
        source: str,
        rows: Sequence[model.Declared],
        *,
        complete: bool,
        commit: str | None,
        scope: str | None = None,
        broken: Mapping[str, str] | None = None,
        code: Mapping[str, model.Code] | None = None,
    ) -> MirrorResult:
        """Make `ops.declared` say `rows` for `source`.

        Rows of the source that are absent are removed, only if `complete`, only under the path prefix `scope` (None:
        all), never those whose path is in `broken` (files that could not be read or parsed, with what is wrong there):
        what such a file said before is kept beside that problem. A row with a `problem` keeps the last good document. NOTIFYs if anything changed. `code` (project ->
        snapshot) is kept with the epoch and merged over what the source had; `world` hands it to the planner.
        """

    # the planner's inputs
    async def world(self, *, now: datetime.datetime, policy: model.Policy) -> model.World:
        """Everything in one snapshot: one query per table."""

    async def part(
        self, judged: frozenset[model.Key], *, now: datetime.datetime, policy: model.Policy
    ) -> model.World:
        """Of the same world `judged`, what that refers to, and what people ordered about it; no runs."""

    # settle
    async def settle(self, epoch: int, batch: Batch) -> bool:
        """Write a batch (rows, tombstones, history, events, queued runs, ledger intents); False: epoch is stale."""

    # runs
    async def enqueue(self, orders: Sequence[RunOrder]) -> bool:
        """Queue runs that a person ordered outside any plan (a reproduction); False: an attempt number is taken."""

    async def order_of(self, run_id: str, *, as_run: str) -> RunOrder | None:
        """The order of a run that executed a command, as a new run `as_run` of operation `reproduce`.

        Its attempt is the resource's next; None: there is no such run, or it executed nothing.
        """

    async def claim(
        self, worker: str, *, limit: int, lease: float, operations: Sequence[str] = ()
    ) -> list[ClaimedRun]:
        """Take up to `limit` due runs (queued, or running with an expired lease): one statement, SKIP LOCKED."""

    async def beat(self, worker: str, runs: Sequence[tuple[str, int]], *, lease: float) -> Beat:
        """Renew the leases of (run_id, fencing) pairs."""

    async def claim_start(
        self, run_id: str, fencing: int, *, external_id: str, provider: str, command: Sequence[str]
    ) -> bool:
        """The compare-and-set before a user's command starts: True exactly once per (run_id, attempt).

        Writes the `ops.sandbox_runs` row of the attempt. False: it was claimed before (re-attach, never start
        another), or the token is stale.
        """

    async def finish(self, run_id: str, fencing: int, outcome: Outcome) -> bool:
        """End the run: state, artifacts, sandbox_runs, ledger, events, chain head. False: stale token, dropped."""

    async def removed_artifact(
        self, digests: Sequence[str]
    ) -> tuple[str, str | None, datetime.datetime] | None:
        """Name, run and time of the latest artifact among these that retention removed; None: there is none."""

    async def requeue(
        self, run_id: str, fencing: int, *, reason: str, message: str, delay: float
    ) -> bool:
        """Back to the queue until `delay` seconds have passed (errors.Waiting).

        Where the provider is the reason (RateLimited, ProviderUnavailable) and no command was claimed, the time of the run
        begins anew with its next claim: it waits, it does not time out.
        """

    async def append_events(self, events: Sequence[Event]) -> None:
        """Append to the chains of their runs."""

    async def append_once(self, fencing: int, event: Event) -> bool:
        """Append to the chain of a run that this worker holds, unless it has an event of this type: then False.

        Raises:
            errors.Conflict: the token is stale.
        """

    async def append_log(self, run_id: str, attempt: int, offset: int, data: bytes) -> None:
        """Append output; the same (run, attempt, offset) twice is once."""

    async def log_end(self, run_id: str, attempt: int) -> int:
        """Where the recorded output of an attempt ends, in bytes."""

    async def release(self, worker: str) -> int:
        """Give back the leases of a worker that stopped or is known dead; how many."""

    async def holders(self) -> list[str]:
        """The names of all processes that hold a run or leadership."""

    # ledger and observation
    async def record_objects(
        self, provider: str, external_ids: Sequence[str], *, state: str
    ) -> None:
        """The ledger's outcome of objects: exists | gone | quarantined."""

    async def quarantine(self, provider: str, found: Sequence[SandboxStatus]) -> None:
        """Write down what carries our tag and is in no row: since when, and what its tags say that it is."""

    async def record_observation(self, provider: str, observation: Observation) -> int:
        """One epoch of `ops.observations`; its number. A look older than the recorded one changes nothing."""

    async def standing(self, provider: str, external_ids: Sequence[str]) -> dict[str, str]:
        """What the ledger says of objects that were observed, for the sweep; unknown ids are absent.

        `live`: an open run or a living resource stands behind it (also where the ledger had lost it: it is written anew);
        `ended`: its run or resource has ended, so that the object may go; `quarantined`: it was reported before;
        `condemned`: it was reported long enough ago, or the provider object names it in `retire`. A session in quarantine
        may hold somebody's work: only `retire` condemns it.
        """

    # interventions
    async def intervene(
        self, verb: str, key: model.Key | None, args: Mapping[str, Any], *, actor: str
    ) -> str:
        """Record an order of a person; its id. `cancel` sets cancel_requested_at on the run named in args."""

    async def carried_out(self, order_id: str, *, run_id: str | None) -> None:
        """The order of a person is a run now; None: it cannot be carried out. Again changes nothing."""

    # waiting
    def changes(self, *, others: bool = False) -> AsyncIterator[frozenset[str] | None]:
        """One item at start, then one per burst of NOTIFYs (state changed somewhere).

        An item is the kinds of which alone something changed; None: anything may have. `others`: of what this store did not cause itself.
        """
