"""What an operation works with, and the run it holds."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping

from workbenchx import errors, ports
from workbenchx.engine import ids, secrets

Probe = Callable[[str, float], Awaitable[bool]]
Learn = Callable[[str], Awaitable[None]]


@dataclasses.dataclass(frozen=True, slots=True)
class Context:
    """The worker's surroundings. `sandboxes` are by adapter name; `probe(url, timeout)` says whether a URL answers.

    `storage` is the default one; `storages` where projects choose among several. `learn(adapter)` is asked before an
    adapter is said to be missing: a provider object may have been recorded by another process just now. It brings the
    adapter, or is Waiting until it is there.
    """

    store: ports.Store
    storage: ports.StorageProvider
    sandboxes: Mapping[str, ports.SandboxProvider]
    installation: ports.Installation
    clock: ports.Clock
    places: secrets.Places
    probe: Probe
    storages: ports.Storages | None = None
    learn: Learn | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Held:
    """A run that this worker holds. `cancel` is set when a person wants it to stop.

    `begun` is set once its command may have started; `pauses` has the seconds after which it is due again, if it waits.
    """

    context: Context
    run: ports.ClaimedRun
    cancel: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    begun: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    pauses: list[float] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        """What was cancelled while nobody held it is so from the beginning."""
        if self.run.cancelled:
            self.cancel.set()

    @property
    def adapter(self) -> str:
        """The name of the adapter that the order names (or of its stand-in); "" if it needs none."""
        document = self.run.document
        return str(document.get("stand_in") or document.get("adapter") or "")

    @property
    def provider(self) -> ports.SandboxProvider:
        """That adapter.

        Raises:
            errors.Stalled: reason ProviderMissing, this worker has no such adapter.
        """
        if self.adapter not in self.context.sandboxes:
            raise errors.Stalled(
                f'provider: this worker has no sandbox adapter "{self.adapter}"',
                reason="ProviderMissing",
            )
        return self.context.sandboxes[self.adapter]

    async def acquainted(self) -> None:
        """Have that adapter here, if it is declared.

        Raises:
            errors.Waiting: it will be here soon.
        """
        learn = self.context.learn
        if learn is not None and self.adapter and self.adapter not in self.context.sandboxes:
            await learn(self.adapter)

    async def storage(self) -> ports.StorageProvider:
        """Where the run leaves what is kept of it: the storage of its project."""
        chosen = self.context.storages
        return await chosen.of(self.run.project) if chosen else self.context.storage

    @property
    def sandbox(self) -> str:
        """The deterministic name of this attempt's sandbox."""
        installation = self.context.installation.id
        return ids.sandbox_name(installation, self.run.resource_uid, self.run.attempt)

    @property
    def tags(self) -> dict[str, str]:
        """What the sandbox is tagged with, so that a later look knows whose it is."""
        return {
            ports.INSTALLATION_TAG: self.context.installation.id,
            ports.RESOURCE_TAG: self.run.resource_uid,
            "wbx-run": self.run.run_id,
            ports.KIND_TAG: self.run.key.kind,
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """How an operation ended; `leaves` is the sandbox to remove once that is recorded."""

    outcome: ports.Outcome
    leaves: str | None = None
