"""What commands need: the questions and the orders of a person, whoever carries them out."""

import asyncio
import datetime
import pathlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from workbenchx.planner import model
from workbenchx.ports import clock as clocks
from workbenchx.ports import reads as questions
from workbenchx.ports import sources

if TYPE_CHECKING:
    from workbenchx.declared import validate

Standing = tuple[str, bool, str, str]  # state, Ready, reason and message of a resource
Standings = Mapping[model.Key, Standing]


class LogPart(NamedTuple):
    """A piece of output. `next`: where the following one begins; `ended`: nothing comes after this."""

    data: bytes
    next: int
    ended: bool


class Access(Protocol):
    """One installation as a person reaches it: on this machine, or through its API.

    Laws: an order is recorded before its call returns, and carries who gave it; what waits, waits for notifications;
    a lost connection is resumed where it broke, or becomes errors.Waiting.
    """

    @property
    def reads(self) -> questions.Reads:
        """The questions."""

    @property
    def clock(self) -> clocks.Clock:
        """What time it is for whoever asks."""

    async def followed(self) -> sources.SourceState | None:
        """The repository that an embedded installation follows instead of a folder; None: none."""

    async def plan(self) -> model.Plan:
        """What would happen now. Writes nothing."""

    async def preview(self, path: pathlib.Path) -> "tuple[model.Plan, validate.Report]":
        """What would happen if the files under `path` were recorded as they are, and what is wrong with them."""

    async def intervene(self, verb: str, key: model.Key | None, args: Mapping[str, Any]) -> str:
        """Record an order; its id."""

    async def reproduce(self, run_id: str) -> str:
        """Queue the order of an ended run again; the new run's id."""

    async def deliver_again(self, forge: str, id_: str) -> None:
        """Let whoever works there handle a webhook that was put down anew.

        Raises:
            errors.Stalled: reason NotFound or Forbidden.
        """

    async def log(self, run: questions.Row, offset: int, *, wait: float) -> LogPart:
        """Output of a run (of a service: of its sandbox) from `offset` on; for up to `wait` seconds if there is none yet.

        Raises:
            errors.Stalled: reason SandboxMissing: a service's output went with its sandbox.
        """

    def blob(self, artifact: questions.Row) -> AsyncIterator[bytes]:
        """The bytes of an artifact, checked by its sha256 as `StorageProvider.open` does.

        Raises:
            errors.Stalled: reason ArtifactRemoved: by retention.
        """

    async def link(self, artifact: questions.Row, expires: datetime.timedelta) -> questions.Row:
        """A link to an artifact's bytes, with their sha256."""

    async def search(
        self, project: str, query: str, limit: int, waiting: Callable[[], None]
    ) -> questions.Row:
        """Passages of a project's texts: `items` (source, chunk, line, start_at, end_at, body, score), `model`, `indexed`.

        `waiting` is called if texts have to be indexed first.

        Raises:
            errors.Stalled: reason RetrievalOff, NotFound, EmbeddingMismatch.
        """

    async def until_applied(
        self, keys: Collection[model.Key], seen: Callable[[Standings], None], stop: asyncio.Event
    ) -> None:
        """Return once what was ordered of these resources is in force, or `stop` is set."""

    async def until_ended(
        self, run_id: str, seen: Callable[[Standings], None], stop: asyncio.Event
    ) -> None:
        """Return once the run has ended, or `stop` is set."""
