"""The seams: what the engine needs from the world, as Protocols with their laws.

Adapters (providers/, store/, forge/) implement these and never meet each other; wiring/ picks them.
Laws common to every provider verb:

- Errors are only `errors.Stalled`, `errors.Waiting` or `errors.Conflict`; anything else is an adapter's bug.
- Every call has a time-out of its own and may be cancelled; a cancelled call leaves nothing half-written.
- `create` of what exists under the same name answers the existing object. `delete` of what is gone is a success.
- `observe` changes nothing outside, and answers one bulk look at everything that carries our tag.
"""

import dataclasses
import datetime
import decimal
import pathlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from workbenchx.planner import model


class Clock(Protocol):
    """The time. Tests hand in their own."""

    def now(self) -> datetime.datetime:
        """Timezone-aware UTC."""


# --- storage -----------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Blob:
    """Bytes in storage under the key `sha256/<hex>`."""

    sha256: str
    bytes: int
    bucket: str
    key: str


class StorageProvider(Protocol):
    """Content-addressed, write-once storage.

    Laws: a key is written whole or not at all (kill -9 in the middle leaves nothing under the key); putting the same
    bytes twice is one object; `open` checks the sha256 of what it streamed and raises Stalled(reason="DigestMismatch")
    at the end of the stream if it differs; memory stays constant whatever the size.
    """

    adapter: str

    async def put(self, chunks: AsyncIterator[bytes], *, expect_sha256: str | None = None) -> Blob:
        """Store a stream; Stalled(DigestMismatch) and nothing stored if `expect_sha256` differs."""

    async def put_file(self, path: pathlib.Path) -> Blob:
        """Store a file's bytes."""

    def open(self, sha256: str) -> AsyncIterator[bytes]:
        """Stream the bytes; Stalled(reason="ArtifactMissing") if there are none."""

    async def exists(self, sha256: str) -> bool:
        """Whether the key is there (its bytes are not read)."""

    async def delete(self, sha256: str) -> None:
        """Remove the bytes; of a missing key: success."""

    def list(self) -> AsyncIterator[Blob]:
        """Every object, in key order."""


# --- sandboxes ---------------------------------------------------------------------------------------------


RESOURCE_TAG = "wbx-resource"


@dataclasses.dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter can do, as data. `list_lag`: seconds until a new object is sure to be listed."""

    isolates: bool
    list_lag: float = 0.0
    snapshots: bool = False
    gpu: bool = False
    ports: bool = False
    restarts: bool = False
    max_lifetime: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class StagedFile:
    """A blob that lies in the sandbox before its command starts.

    `unpack`: the blob is a tar, `path` its folder. `member`: of a tar only that file or folder lies at `path`. `expect`:
    the sha256 that the file at `path` must have, else Stalled(reason="DigestMismatch").
    """

    path: str
    sha256: str
    unpack: bool = False
    member: str | None = None
    expect: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class SandboxSpec:
    """One sandbox to be. Paths are relative to its working folder.

    `name` is deterministic (`wbx-<installation8>-<resource8>-<attempt>`), `tags` hold installation, resource, run.
    `shape`: execution (one command to completion), service (a command kept alive, with ports) or session (kept alive
    with no command of ours). `egress` empty means no network. `deadline` is when the whole process tree must end
    (None: only for service and session, which end by delete). `restart`: Always | OnFailure | Never (service).
    """

    name: str
    tags: Mapping[str, str]
    shape: str
    image: str
    python: str | None = None
    packages: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    files: tuple[StagedFile, ...] = ()
    outputs: tuple[str, ...] = ()
    cpu: float = 1.0
    memory: int = 512 * 1024 * 1024
    gpu: int = 0
    egress: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    deadline: datetime.datetime | None = None
    restart: str = "Never"
    log_limit: int = 64 * 1024 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class SandboxStatus:
    """What a provider says about one sandbox.

    `state`: created (made, command not started) | running | exited | failed (never could run) | unknown.
    `reason` once it ended: Exited, Signalled, DeadlineExceeded, OutOfMemory, Cancelled, DiskFull, StartFailed, Lost.
    """

    name: str
    state: str
    tags: Mapping[str, str]
    exit_code: int | None = None
    reason: str = ""
    message: str = ""
    started_at: datetime.datetime | None = None
    ended_at: datetime.datetime | None = None
    urls: Mapping[int, str] = dataclasses.field(default_factory=dict)
    cpu_seconds: float | None = None
    max_memory: int | None = None
    log_bytes: int = 0
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def resource(self) -> str:
        """The uid of the resource that it was made for; "" if its tags do not say."""
        return self.tags.get(RESOURCE_TAG, "")

    @property
    def url(self) -> str | None:
        """Its first address."""
        return next(iter(self.urls.values()), None)


@dataclasses.dataclass(frozen=True, slots=True)
class Observation:
    """One bulk look. `complete` False: absence proves nothing."""

    complete: bool
    at: datetime.datetime
    objects: tuple[SandboxStatus, ...]


class SandboxProvider(Protocol):
    """Where code runs.

    Further laws: `start` is a compare-and-set at the provider: however often it is called for one name, the command
    starts at most once in that sandbox's life, also after a crash of the caller. After `start` the sandbox lives
    without us until it exits, its deadline comes, or `delete`. `stop` and `delete` return only once nothing of the
    process tree is left. `wait` wakes by notification, not by polling.
    """

    adapter: str
    capabilities: Capabilities

    def price(self, spec: SandboxSpec) -> decimal.Decimal:
        """USD per hour."""

    async def observe(self) -> Observation:
        """Everything of this installation, in one look."""

    async def create(self, spec: SandboxSpec) -> SandboxStatus:
        """Make the sandbox and stage its files. Does not start the command."""

    async def start(self, name: str, env: Mapping[str, str]) -> SandboxStatus:
        """Start the command once. `env` may hold resolved secrets; it is never written to disk."""

    async def wait(self, name: str) -> SandboxStatus:
        """Return when the sandbox is no longer running (or at once). Cancellable."""

    async def status(self, name: str) -> SandboxStatus | None:
        """One sandbox now; None if the provider is sure that it is gone."""

    async def read_log(self, name: str, offset: int, limit: int = 1 << 16) -> bytes:
        """Output bytes (stdout and stderr, interleaved) from `offset`; empty when there are none yet."""

    def follow_log(self, name: str, offset: int = 0) -> AsyncGenerator[bytes, None]:
        """Output from `offset` on, as it comes, until the sandbox ends. Close it where it is left early."""

    def read_file(self, name: str, path: str) -> AsyncIterator[bytes]:
        """A file of the working folder; Stalled(reason="OutputMissing") if it is not a regular file inside it."""

    def archive(self, name: str) -> AsyncIterator[bytes]:
        """The working folder as one tar (names relative to it), for adapters whose capabilities have snapshots."""

    async def extend(self, name: str, deadline: datetime.datetime) -> None:
        """Move the deadline."""

    async def stop(self, name: str, reason: str = "Cancelled") -> SandboxStatus | None:
        """End the process tree (TERM, then KILL); files and log stay readable."""

    async def delete(self, name: str) -> None:
        """End the process tree and remove everything of the sandbox."""


# --- store -------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Installation:
    """The one row of `ops.installation`."""

    id: str
    environment: str


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
    """A run that this worker holds. `reattach`: another worker held it before; its sandbox may exist."""

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
        keep_paths: Sequence[str] = (),
        code: Mapping[str, model.Code] | None = None,
    ) -> MirrorResult:
        """Make `ops.declared` say `rows` for `source`.

        Rows of the source that are absent are removed, only if `complete`, only under the path prefix `scope` (None:
        all), never those whose path is in `keep_paths` (files that could not be read or parsed). A row with a
        `problem` keeps the last good document beside the problem. NOTIFYs if anything changed. `code` (project ->
        snapshot) is kept with the epoch and merged over what the source had; `world` hands it to the planner.
        """

    # the planner's inputs
    async def world(self, *, now: datetime.datetime, policy: model.Policy) -> model.World:
        """Everything in one snapshot: one query per table."""

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

    async def requeue(
        self, run_id: str, fencing: int, *, reason: str, message: str, delay: float
    ) -> bool:
        """Back to the queue until `delay` seconds have passed (errors.Waiting)."""

    async def append_events(self, events: Sequence[Event]) -> None:
        """Append to the chains of their runs."""

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

    async def record_observation(self, provider: str, observation: Observation) -> int:
        """One epoch of `ops.observations`; its number."""

    async def standing(self, provider: str, external_ids: Sequence[str]) -> dict[str, str]:
        """What the ledger says of objects that were observed, for the sweep; unknown ids are absent.

        `live`: an open run or a living resource stands behind it; `ended`: its run or resource has ended, so that the
        object may go; `quarantined`: it was reported before.
        """

    # interventions
    async def intervene(
        self, verb: str, key: model.Key | None, args: Mapping[str, Any], *, actor: str
    ) -> str:
        """Record an order of a person; its id. `cancel` sets cancel_requested_at on the run named in args."""

    # waiting
    def changes(self) -> AsyncIterator[None]:
        """One item at start, then one per burst of NOTIFYs (state changed somewhere)."""
