"""The desk between a worker and the runners on machines of their own: orders there, signs of life and outcomes back."""

import dataclasses
import datetime
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol


@dataclasses.dataclass(frozen=True, slots=True)
class Runner:
    """One sandbox on a machine of its own, as the desk has it.

    `state`: ordered | claimed | staged | running | ended. `attempt`: the first digits of the sha256 of the token that counts; ""
    before the first try. `try_at` None: it is known that no machine was asked for. `wishes` are uploads that the runner
    asks for and `uploads` those that were signed, each with a challenge; `files` is what it says that it uploaded. Each by
    path; a runner may lie, so a file counts only with a proof that goes with the challenge and the bytes.
    """

    name: str
    tags: Mapping[str, str]
    order_hash: str
    work: Mapping[str, Any]
    state: str
    attempt: str
    try_at: datetime.datetime | None
    external_id: str | None
    certificate: str | None
    start_at: datetime.datetime | None
    stop_reason: str | None
    deadline: datetime.datetime | None
    wishes: Mapping[str, Any]
    uploads: Mapping[str, Any]
    files: Mapping[str, Any]
    report: Mapping[str, Any] | None
    output_end: int
    heard_at: datetime.datetime | None
    pulls: bool
    """Whether its machine was told how to sign in to the registry of its image."""
    idle_since: datetime.datetime | None
    """Since when nobody uses it; None: it is used, or nobody says."""
    now: datetime.datetime
    """The clock of the desk when it was read: every other time here is of the same clock."""


@dataclasses.dataclass(frozen=True, slots=True)
class Try:
    """One request for a machine. `token`: what the runner will show; the desk keeps its sha256 alone."""

    token: str
    until: datetime.datetime
    work: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of a runner beside its run. `answer` None: there is none yet."""

    answer: Mapping[str, Any] | None


class Desk(Protocol):
    """Laws: a row begins once, whoever asks; a run is started once; the first word about its end counts."""

    async def open_runner(
        self,
        name: str,
        tags: Mapping[str, str],
        order_hash: str,
        work: Mapping[str, Any],
        deadline: datetime.datetime | None,
    ) -> Runner:
        """The row of that name: a new one, or the one that is there (whatever it orders)."""

    async def runner(self, name: str) -> Runner | None:
        """One row."""

    async def runners(self) -> list[Runner]:
        """All rows, by name."""

    async def try_runner(self, name: str, asking: Try, *, lag: float) -> bool:
        """Begin a try: from now on its token alone counts. False: it was started, or a try is younger than `lag` seconds."""

    async def bind_runner(self, name: str, external_id: str | None) -> None:
        """The machine of the try that counts; None: it is known that none was made."""

    async def start_runner(self, name: str, sealed: str) -> bool:
        """Order the start, once, of what is staged; whether this call did."""

    async def stop_runner(self, name: str, reason: str) -> None:
        """Order the end; the first reason counts."""

    async def extend_runner(self, name: str, deadline: datetime.datetime) -> None:
        """Move the deadline, and how long the token is good by as much."""

    async def sign_in_runner(self, name: str, certificate: str, sealed: str) -> None:
        """Tell the machine of that certificate, which prepares, how to sign in to the registry of its image."""

    async def ask_runner(
        self, name: str, key: str, asked: Mapping[str, Any], *, after: bool = False
    ) -> "Asked | None":
        """Ask what was started, once for a key, and how far that is; None: it does not run, and was never asked that.

        `after`: also of what has ended.
        """

    async def sign_runner(self, name: str, uploads: Mapping[str, Any]) -> None:
        """Add signed uploads, by path."""

    async def conclude_runner(self, name: str, report: Mapping[str, Any]) -> None:
        """Say how it ended where its runner cannot any more."""

    async def runner_output(self, name: str, offset: int, limit: int) -> bytes:
        """Output from `offset` on; empty when there is none yet."""

    async def remove_runner(self, name: str) -> None:
        """Forget it and its output."""

    def runner_changes(self) -> AsyncIterator[None]:
        """One item at start, then one whenever runners got on; errors.Waiting while the database is away."""
