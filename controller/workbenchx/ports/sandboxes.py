"""Where code runs."""

import dataclasses
import datetime
import decimal
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

INSTALLATION_TAG = "wbx-installation"
RESOURCE_TAG = "wbx-resource"
KIND_TAG = "wbx-kind"
METRICS_FILE = ".wbx-metrics.json"
"""Where a program leaves its metrics: an output of every sandbox that may be missing."""


@dataclasses.dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter can do, as data. `list_lag`: seconds until a new object is sure to be listed.

    `executes`: it carries out `execute`; an adapter without it refuses with Stalled.
    """

    isolates: bool
    list_lag: float = 0.0
    snapshots: bool = False
    executes: bool = False
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
    `fields`: what the provider shows, as far as it does. While it runs `cpu`, `memory`, `gpu`, `ports` and `egress` are as they
    were ordered, however the provider spells or rounds them, unless somebody changed them there: then they are what is there.
    `usd_per_hour` is what the provider says that it costs, `machine` the size that it counts.
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


OUTPUT_LIMIT = 1 << 16
"""Bytes of output that `Executed` holds at most."""


@dataclasses.dataclass(frozen=True, slots=True)
class Executed:
    """How a command beside the program of a sandbox ended.

    `reason`: Exited, Signalled, DeadlineExceeded (its own time was over), StartFailed, or Lost (the sandbox ended first,
    or nobody can say). `exit_code` is None where there is none. `output`: its last OUTPUT_LIMIT bytes, stdout and stderr.
    """

    reason: str
    exit_code: int | None = None
    message: str = ""
    output: bytes = b""


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
        """One sandbox now; None if the provider is sure that it is gone, or that its making broke off."""

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

    async def execute(
        self, name: str, key: str, command: Sequence[str], *, seconds: float
    ) -> Executed:
        """Run one command beside the program of a sandbox that runs: same files, environment, walls and limits.

        At most once for a `key` in the sandbox's life, also after a crash of the caller: asked again, it waits for what
        was started, and answers the same end. After `seconds` the command is ended (TERM, then KILL), also if
        nobody waits any more. Nothing that it started outlives it, and it does not outlive the sandbox.
        Stalled(reason="NotRunning") if the sandbox does not run, and no command of that key ever did.
        """

    async def stop(self, name: str, reason: str = "Cancelled") -> SandboxStatus | None:
        """End the process tree (TERM, then KILL); files and log stay readable."""

    async def delete(self, name: str) -> None:
        """End the process tree and remove everything of the sandbox."""
