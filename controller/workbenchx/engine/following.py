"""Sources: their repositories are looked at, and what their newest commit declares is brought in force.

One worker looks at a source at a time. The poll is the truth: a webhook and `wbx sync` only make it come sooner. A look
that finds the commit it knows is one question to the server. What cannot be applied leaves in force what was applied.
"""

import asyncio
import dataclasses
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from workbenchx import errors, ports
from workbenchx.api import quantities
from workbenchx.engine import failpoints, ids, mirror, patience, secrets, signing
from workbenchx.planner import model

LOG = logging.getLogger(__name__)
LEASE_SECONDS = 30.0
AT_ONCE = 4
TOLD = 20
_IDLE_SECONDS = 60.0
_BURST_SECONDS = 0.05
_LONGEST_PAUSE = 600.0
_DEFAULT_INTERVAL = "60s"

Credential = Callable[[ports.Followed], Awaitable[str | None]]


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """What a commit declares, as read. `refused`: what is wrong, by row and by file, for people; `notices` the rest."""

    reading: mirror.Reading
    refused: Mapping[model.Key | str, str]
    notices: Sequence[str] = ()


class Reader(Protocol):
    """Reads a path of a commit that was fetched."""

    async def __call__(self, followed: ports.Followed, remote: ports.Remote, commit: str) -> Look:
        """What the commit declares below the source's path."""


class Bringing(Protocol):
    """Brings what a commit declares in force, and lets go of the source."""

    async def bring(self, followed: ports.Followed, applying: ports.Applying, pause: float) -> None:
        """Make it so.

        Raises:
            errors.Conflict: another worker follows the source.
        """

    async def mend(self, followed: ports.Followed, pause: float) -> bool:
        """The commit is in force already: mend what was changed behind its back; False: nothing was."""


class Declaring:
    """Writes `ops.declared`: where no API server is, it is what is declared."""

    def __init__(self, sources: ports.Sources, name: str) -> None:
        self._sources = sources
        self._name = name

    async def bring(self, followed: ports.Followed, applying: ports.Applying, pause: float) -> None:
        """See Bringing."""
        failpoints.reach("mirror.before")
        done = await self._sources.apply_source(
            self._name, followed.source, run_id=ids.run_id(), pause=pause, applying=applying
        )
        failpoints.reach("mirror.after")
        told = (followed.source, applying.commit[:12], done.changed, done.removed)
        LOG.info("source %s: commit %s: %d changed, %d removed", *told)

    async def mend(self, _followed: ports.Followed, _pause: float) -> bool:
        """Nobody else writes there."""
        return False


class Follower:
    """Follows every source that is recorded, as one of any number of workers. `credential`: what git shows, None: nothing."""

    def __init__(
        self,
        sources: ports.Sources,
        clones: ports.Clones,
        read: Reader,
        *,
        places: secrets.Places,
        name: str,
        bringing: Bringing | None = None,
        credential: Credential | None = None,
    ) -> None:
        self._bringing = bringing or Declaring(sources, name)
        self._sources = sources
        self._clones = clones
        self._read = read
        self._places = places
        self._name = name
        self._credential = credential or self._named

    async def serve(self, changes: Callable[[], AsyncIterator[object]]) -> None:
        """Look at what is due, until cancelled; what is held then is given back."""
        wake = asyncio.Event()
        listening = asyncio.create_task(patience.wake(changes, wake))
        try:
            heed = True
            while True:
                wake.clear()
                with patience.database_pauses():
                    while await self.look(heed=heed):
                        heed = False
                    heed = True
                    heed = await self._rest(wake)
        finally:
            listening.cancel()

    async def look(self, *, heed: bool = True) -> int:
        """Look once at each source that is due; how many. `heed`: also what changed in the database, not the time alone."""
        due = await self._sources.due_sources(
            self._name, lease=LEASE_SECONDS, limit=AT_ONCE, heed=heed
        )
        async with asyncio.TaskGroup() as group:
            for followed in due:
                group.create_task(self._one(followed))
        return len(due)

    async def _rest(self, wake: asyncio.Event) -> bool:
        """Until something changed, or one is due; whether the database is to be heeded then."""
        due = await self._sources.next_due()
        pause = min(_IDLE_SECONDS, _IDLE_SECONDS if due is None else due + 0.01)
        try:
            async with asyncio.timeout(pause):
                await wake.wait()
        except TimeoutError:
            return wake.is_set() or due is None or due >= _IDLE_SECONDS
        await asyncio.sleep(_BURST_SECONDS)
        return True

    async def _one(self, followed: ports.Followed) -> None:
        keeping = asyncio.create_task(self._keep(followed))
        try:
            with patience.database_pauses():
                await self._looked(followed)
        finally:
            keeping.cancel()

    async def _keep(self, followed: ports.Followed) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            with patience.database_pauses():
                await self._sources.keep_source(self._name, followed.source, lease=LEASE_SECONDS)

    async def _looked(self, followed: ports.Followed) -> None:
        """One look, and what is said of it."""
        seen: list[str] = []
        problem: ports.Problem | None = None
        try:
            with patience.bugs_told(f"source {followed.source}"):
                if await self._apply(followed, seen):
                    return
        except errors.Conflict as conflict:
            LOG.info("%s", conflict.message)
            return
        except (errors.Stalled, errors.Waiting) as error:
            waits = isinstance(error, errors.Waiting)
            if error.reason == "DatabaseUnavailable":
                raise
            problem = ports.Problem(error.reason, error.message, waits)
            LOG.warning("source %s: %s", followed.source, error.message)
        await self._sources.looked(
            self._name,
            followed.source,
            seen=seen[0] if seen else None,
            pause=self._pause(followed, problem),
            problem=problem,
        )

    async def _apply(self, followed: ports.Followed, seen: list[str]) -> bool:
        """Bring a new tip in force; False: it is in force already, and nothing was changed behind its back."""
        remote = await self._remote(followed)
        seen.append(await self._clones.tip(remote))
        if seen[0] == followed.applied and not followed.unsettled:
            return await self._bringing.mend(followed, self._pause(followed, None))
        fetched = await self._clones.fetch(remote, since=followed.applied)
        seen[0] = fetched.commit
        signer = await self._signer(followed, remote, fetched.commit)
        look = await self._read(followed, remote, fetched.commit)
        applying = applying_of(followed, fetched, look, signer)
        await self._bringing.bring(followed, applying, self._pause(followed, None))
        return True

    async def _remote(self, followed: ports.Followed) -> ports.Remote:
        spec = followed.spec
        credential = await self._credential(followed)
        return ports.Remote(str(spec.get("url")), spec.get("branch"), credential)

    async def _named(self, followed: ports.Followed) -> str | None:
        return await secrets.of_source(followed, followed.spec.get("credentials"), self._places)

    async def _signer(
        self, followed: ports.Followed, remote: ports.Remote, commit: str
    ) -> str | None:
        verify = followed.spec.get("verify")
        if not isinstance(verify, Mapping):
            return None
        keys = await secrets.of_source(followed, verify.get("keys"), self._places)
        trusted = followed.applied if followed.found.get("signer") else None
        return await signing.signer(
            self._clones, remote, commit, verify=verify, keys=keys or "", trusted=trusted
        )

    def _pause(self, followed: ports.Followed, problem: ports.Problem | None) -> float:
        """Seconds until the next look: with jitter, and longer the longer the server is away."""
        interval = quantities.duration(str(followed.spec.get("interval") or _DEFAULT_INTERVAL))
        if problem is not None and problem.waits:
            longest = max(interval, _LONGEST_PAUSE)
            interval = min(longest, interval * 2 ** min(followed.failures, 10))
        return interval * random.uniform(0.9, 1.1)  # noqa: S311 - jitter, not a secret


def applying_of(
    followed: ports.Followed, fetched: ports.Fetched, look: Look, signer: str | None
) -> ports.Applying:
    """What may be applied of a commit: a Source outside the system namespace declares things of its own alone."""
    allowed = [row for row in look.reading.rows if followed.may(row.key)]
    skipped = [_place(row) for row in look.reading.rows if not followed.may(row.key)]
    keys = {row.key for row in allowed}
    refused = [text for of, text in look.refused.items() if isinstance(of, str) or of in keys]
    found = {
        "documents": len(allowed),
        "skipped": skipped[:TOLD],
        "refused": refused[:TOLD],
        "notices": list(look.notices)[:TOLD],
        "signer": signer,
    }
    return ports.Applying(
        commit=fetched.commit,
        rows=allowed,
        complete=look.reading.complete,
        broken=look.reading.broken,
        code=look.reading.code,
        prune=followed.prune,
        found=found,
        tokens=fetched.tokens,
        rewritten=fetched.rewritten,
    )


def _place(row: model.Declared) -> str:
    return f"{row.key} ({row.source.path}:{row.source.line})"
