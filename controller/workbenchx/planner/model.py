"""What the planner reads (`World`) and what it answers (`Plan`). Frozen data, no behaviour beyond look-ups.

Money is USD per hour as Decimal; times are timezone-aware UTC; durations are seconds; memory is bytes.
"""

import dataclasses
import datetime
import decimal
import enum
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from workbenchx.api import attached, identity, references
from workbenchx.planner import tracked

ZERO = decimal.Decimal(0)
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
Key = identity.Key


class Action(enum.StrEnum):
    """What a step does."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    ADOPT = "adopt"
    FORGET = "forget"
    RUN = "run"
    STOP = "stop"
    HOLD = "hold"


class Because(enum.StrEnum):
    """Why a step is in the plan. Published in schemas/; add, never rename."""

    NEW = "New"
    SPEC_CHANGED = "SpecChanged"
    RENAMED = "Renamed"
    NOT_DECLARED = "NotDeclared"
    MISSING = "Missing"
    DRIFTED = "Drifted"
    REVERTED = "Reverted"
    RESOLVED = "Resolved"
    RETRY = "Retry"
    SCHEDULED = "Scheduled"
    RERUN = "Rerun"
    EXPIRED = "Expired"
    SUSPENDED = "Suspended"
    RESUMED = "Resumed"
    ORDERED = "Ordered"
    BRAKED = "Braked"
    DATA_BEARING = "DataBearing"
    PARENT_REMOVED = "ParentRemoved"
    NOT_REVIEWED = "NotReviewed"


class Mode(enum.StrEnum):
    """How a step changes its subject: the row alone, the living object in place, or a new object."""

    ROW = "row"
    IN_PLACE = "in-place"
    RE_CREATE = "re-create"


class ExecutionState(enum.StrEnum):
    """The one state machine of `ops.runs`."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    LOST = "lost"

    @property
    def open(self) -> bool:
        """Whether the run may still change something."""
        return self in (ExecutionState.QUEUED, ExecutionState.RUNNING)


@dataclasses.dataclass(frozen=True, slots=True)
class SourceRef:
    """Where a resource is declared."""

    source: str = ""
    repo: str | None = None
    commit: str | None = None
    path: str | None = None
    line: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Declared:
    """One row of `ops.declared`. `problem` set: the document is invalid and its last good version stays in force. `owner`: the Source that applied it to a cluster.

    Where the reader has worked them out already: `refers_to` are the references of the spec, `text` the spec as JSON, `metadata` what is attached.
    """

    key: Key
    project: str | None
    spec: Mapping[str, Any]
    hash: str
    source: SourceRef = SourceRef()
    problem: str | None = None
    refers_to: Sequence[references.Reference] | None = dataclasses.field(
        default=None, compare=False, repr=False
    )
    text: str = dataclasses.field(default="", compare=False, repr=False)
    metadata: str = dataclasses.field(default=attached.NOTHING, compare=False, repr=False)
    owner: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Recorded:
    """One living row of a resource table: what `ops` says.

    `facts` are the kind's own recorded facts (url, resolved artifact, started_at, expires_at, suspended, …).
    `owned` is False where the row was only observed, never managed by us: such a thing is never deleted.
    """

    key: Key
    uid: str
    project: str | None
    spec: Mapping[str, Any]
    hash: str
    state: str
    ready: bool
    reason: str
    message: str = ""
    external_id: str | None = None
    provider: str | None = None
    last_run_id: str | None = None
    source: SourceRef = SourceRef()
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    owned: bool = True
    generation: int = 1
    updated_at: datetime.datetime | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Execution:
    """One row of `ops.runs` with a provider behind it.

    `execution_hash` names what was to be executed (see decisions/); `attempt` counts all executions of the resource,
    `tries` those of this execution hash. `metrics` and `outputs` ({name: sha256}) are what a succeeded run left.
    """

    run_id: str
    key: Key
    operation: str
    state: ExecutionState
    execution_hash: str = ""
    attempt: int = 1
    tries: int = 1
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    external_id: str | None = None
    queued_at: datetime.datetime | None = None
    started_at: datetime.datetime | None = None
    ended_at: datetime.datetime | None = None
    scheduled_for: datetime.datetime | None = None
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    outputs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    cancel_requested: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class ObservedObject:
    """One object that a provider showed, with our tag. `fields` are the owned, comparable fields."""

    provider: str
    external_id: str
    uid: str
    state: str
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    url: str | None = None
    exit_code: int | None = None
    reason: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Epoch:
    """One bulk observation of one provider. Only a complete and fresh one may prove absence."""

    provider: str
    complete: bool
    at: datetime.datetime
    number: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Stray:
    """One object at a provider that has our tag and that no row explains. `kind` is what its tags say that it stands for."""

    provider: str
    external_id: str
    kind: str
    since: datetime.datetime
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Intervention:
    """What a person ordered, still in force. The verbs are those of ops.interventions."""

    id: str
    verb: str
    key: Key | None
    args: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    at: datetime.datetime | None = None
    actor: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Code:
    """The snapshot of a project's repository path that runs get: commit if it is clean, sha256 of the tar always."""

    sha256: str
    commit: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Policy:
    """Settings of the installation that the plan depends on.

    `kept_by`: the adapter that keeps bytes, whatever is declared.
    `brake_…`: how many may be destroyed, which share of a kind from how many on, and which share of all from how many on.
    `direct_…`: the brake on what people delete in the API server, whose objects are of the source `direct_source`.
    """

    installation: str = "00000000"
    environment: str = "embedded"
    stand_in: str | None = None
    kept_by: str | None = None
    source_revision: str | None = None
    scope: str | None = None
    brake_count: int = 10
    brake_share: float = 0.20
    brake_share_from: int = 5
    brake_most: float = 0.50
    brake_most_from: int = 5
    brake_window: float = 600.0
    direct_source: str = "cluster"
    direct_count: int = 50
    direct_window: float = 60.0
    observation_max_age: float = 300.0
    retry_backoff: float = 10.0


@dataclasses.dataclass(frozen=True, slots=True)
class Destroyed:
    """A destruction of the recent past, for the brake's window. `confirmed`: a person said yes to it."""

    project: str | None
    kind: str
    at: datetime.datetime
    revision: str | None = None
    confirmed: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Mirrored:
    """The latest reading of a source: which one it was, and whether all of it could be read."""

    epoch: int
    complete: bool


@dataclasses.dataclass(frozen=True, slots=True)
class World:
    """Everything a plan is made from. Order of the tuples never matters. `mirrored`: the readings, by source; `followed`: by Source.

    `outages`: adapters that are left alone, with what their provider said last. `probes`: by uid and revision of a ModelDeployment why it fails
    its health question, "" where it passes. `bounds`: marks (see brakes) of all that a source's reviewed commit may destroy. `holds`: see returning. `part`: see parts.
    """

    declared: tuple[Declared, ...]
    declared_complete: bool
    recorded: tuple[Recorded, ...] = ()
    executions: tuple[Execution, ...] = ()
    observed: tuple[ObservedObject, ...] = ()
    epochs: tuple[Epoch, ...] = ()
    strays: tuple[Stray, ...] = ()
    outages: Mapping[str, str] = dataclasses.field(default_factory=dict)
    probes: Mapping[tuple[str, str], str] = dataclasses.field(default_factory=dict)
    interventions: tuple[Intervention, ...] = ()
    destroyed: tuple[Destroyed, ...] = ()
    code: Mapping[str, Code] = dataclasses.field(default_factory=dict)
    mirrored: Mapping[str, Mirrored] = dataclasses.field(default_factory=dict)
    followed: Mapping[Key, tracked.Sighting] = dataclasses.field(default_factory=dict)
    bounds: Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    holds: Mapping[Key, str] = dataclasses.field(default_factory=dict)
    policy: Policy = Policy()
    now: datetime.datetime = EPOCH
    part: frozenset[Key] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class FieldChange:
    """One changed field; `path` is dotted ("spec.resources.cpu"). Secrets are masked before they come here."""

    path: str
    before: Any
    after: Any


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. `document` is the complete, resolved order for the worker of a run (see engine/orders).

    A matrix run names its Experiment in `parent` and its cell ({"params": …, "seed": …}) in `parameters`.
    A hold says in `holds` which action it keeps from happening.
    """

    action: Action
    subject: Key
    because: Because
    mode: Mode = Mode.ROW
    destructive: bool = False
    fields: tuple[FieldChange, ...] = ()
    depends_on: tuple[Key, ...] = ()
    cost_before: decimal.Decimal = ZERO
    cost_after: decimal.Decimal = ZERO
    project: str | None = None
    external_id: str | None = None
    provider: str | None = None
    operation: str | None = None
    execution_hash: str = ""
    attempt: int = 0
    tries: int = 0
    scheduled_for: datetime.datetime | None = None
    renamed_from: Key | None = None
    document: Mapping[str, Any] | None = None
    parent: str | None = None
    parameters: Mapping[str, Any] | None = None
    holds: Action | None = None

    @property
    def executable(self) -> bool:
        """Whether executing the plan does anything for this step: a hold only reports."""
        return self.action is not Action.HOLD


@dataclasses.dataclass(frozen=True, slots=True)
class Wait:
    """What does not happen now, and why. `until`: when time alone will end the wait."""

    subject: Key
    reason: str
    message: str = ""
    until: datetime.datetime | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What a resource's row should say once this plan's row steps are applied. The engine writes only differences.

    `facts` are merged over the recorded facts; a None value removes one.
    """

    key: Key
    state: str
    ready: bool
    reason: str
    message: str = ""
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Plan:
    """An immutable answer. Steps are sorted and in dependency order. `read_id`: the id of a plan that was read, else ""."""

    read_id: str
    destroy_token: str
    complete: bool
    inputs: Mapping[str, Any]
    steps: tuple[Step, ...]
    waits: tuple[Wait, ...]
    verdicts: tuple[Verdict, ...]
    counts: Mapping[str, int]
    cost_before: decimal.Decimal = ZERO
    cost_after: decimal.Decimal = ZERO

    @functools.cached_property
    def id(self) -> str:
        """The sha256 of the canonical steps. Most plans are carried out and never named, and this costs a tenth of a plan."""
        from workbenchx.planner import spelling  # noqa: PLC0415 - it spells what is defined here

        return self.read_id or spelling.plan_id(self.steps)

    @property
    def executable(self) -> bool:
        """Whether any step changes something (holds do not)."""
        return any(step.executable for step in self.steps)
