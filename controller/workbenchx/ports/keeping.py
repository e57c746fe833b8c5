"""What housekeeping needs of the `ops` schema."""

import datetime
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from workbenchx.ports import audit, storage


class KeptLog(NamedTuple):
    """An ended run with recorded output, and the artifact of its log. `sha256` None: it has none."""

    run_id: str
    attempt: int
    sha256: str | None
    bytes: int | None
    removed: bool
    size: int


class Cutoff(NamedTuple):
    """What a project may lose now: pointers that are older than these. None: nothing of that sort, ever."""

    project_id: str
    artifacts: datetime.datetime | None
    logs: datetime.datetime | None
    snapshots: datetime.datetime | None


class Due(NamedTuple):
    """A pointer whose time is over. `sort` is the field of spec.retention that says so."""

    id: str
    run_id: str | None
    name: str
    sha256: str
    bytes: int
    project_id: str
    sort: str
    created_at: datetime.datetime


class Chores(Protocol):
    """Who does what, and when again."""

    async def claim_chore(self, worker: str, *, now: datetime.datetime, lease: float) -> str | None:
        """Take the chore that is due longest; None: nothing is due, or others do it."""

    async def renew_chore(self, name: str, worker: str, *, lease: float) -> bool:
        """Keep the lease; False: lost."""

    async def conclude_chore(
        self,
        name: str,
        worker: str,
        *,
        due_at: datetime.datetime | None,
        message: str,
        done: bool,
    ) -> None:
        """Give the chore back; `due_at` None: as before."""

    async def next_chore(self) -> datetime.datetime | None:
        """When there is something to do again; None: at once, or never."""

    async def prune_plans(self, before: datetime.datetime) -> int:
        """Forget plans that were last made before then; how many."""

    async def prune_reservations(self, before: datetime.datetime) -> int:
        """Forget money that was given back before then; how many times. What is still set aside stays, however old."""

    async def prune_fixes(self, before: datetime.datetime) -> int:
        """Forget what models answered before then, unless it is still proposed; how many.

        What FixBot found where it has not looked for a day is forgotten, too.
        """

    async def prune_probes(self, before: datetime.datetime, *, keep: int) -> int:
        """Forget runs of probes that ended before then, but the last `keep` good and bad ones each; how many.

        What changed how a model stands has events, and whatever has events stays.
        """


class LogDays(Protocol):
    """The days of `ops.log_chunks`."""

    async def ensure_log_days(self, days: Sequence[datetime.date]) -> None:
        """Make their partitions where they are missing."""

    async def log_days(self) -> list[datetime.date]:
        """The days that have a partition, the oldest first."""

    async def unverified_logs(self, day: datetime.date, *, after: str, limit: int) -> list[KeptLog]:
        """Ended runs with output on that day whose log was not read back yet, by run id, from behind `after` on."""

    def chunks(self, run_id: str) -> AsyncIterator[bytes]:
        """The recorded output of a run."""

    async def keep_log(self, run_id: str, blob: storage.Blob) -> None:
        """Record the log of an ended run that has none; the event tells it."""

    async def verified_logs(self, run_ids: Sequence[str]) -> None:
        """They were read back whole, or retention removed them."""

    async def drop_log_day(self, day: datetime.date) -> bool:
        """Drop a day if every log of it is verified; False: it stays."""


class Retiring(Protocol):
    """Bytes that a project's retention lets go. See decision 061."""

    async def retentions(self) -> dict[str, Mapping[str, Any]]:
        """spec.retention of every project that has one, by its id."""

    async def due_pointers(
        self, cutoffs: Sequence[Cutoff], *, after: tuple[datetime.datetime, str] | None, limit: int
    ) -> list[Due]:
        """Pointers that are over, the oldest first, from behind (created_at, id) on."""

    async def needed(self, digests: Collection[str]) -> set[str]:
        """Those that a Model, a Dataset, a Session, an open run, code of a run, or an anchor names."""

    async def retire(
        self, due: Sequence[Due], because: Mapping[str, str], now: datetime.datetime
    ) -> None:
        """Mark pointers as removed, tell it in their runs' chains, and intend to delete the bytes. `because`: by id."""

    async def removals(self, before: datetime.datetime) -> list[str]:
        """Bytes that are to be deleted: intended before then, or begun."""

    async def begin_deleting(
        self, digests: Collection[str], *, spared: Collection[str]
    ) -> list[str]:
        """From here on no pointer to these may be made. Those that somebody needs, or `spared`, are let off, the others told."""

    async def deleted(self, digests: Collection[str]) -> None:
        """The storage has deleted them."""

    async def forget_removals(self) -> None:
        """Deletions that no open run can have overlapped any more."""


class Keeping(audit.Anchoring, Chores, LogDays, Retiring, Protocol):
    """All of it."""
