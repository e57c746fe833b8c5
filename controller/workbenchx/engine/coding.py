"""The code of projects, where documents come from an API server: from git into storage, so that runs can have it.

Embedded, the reader of the files makes the snapshots (decision 005). In a cluster nobody has the files: each worker looks
at the repositories that are declared, makes a snapshot of each new commit, and records it for the planner. The same
commit gives the same bytes, so it does not matter who of several workers was first.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable

from workbenchx import errors, ports
from workbenchx.engine import patience, snapshots

LOG = logging.getLogger(__name__)
EVERY_SECONDS = 60.0
_BURST_SECONDS = 1.0

_Known = dict[tuple[str, str, str], str]


class Coder:
    """Keeps snapshots of declared repositories. `own`: the URL that "." means; None: nobody said."""

    def __init__(
        self,
        codes: ports.Codes,
        repositories: ports.Repositories,
        storage: ports.StorageProvider,
        *,
        own: str | None,
    ) -> None:
        self._codes = codes
        self._repositories = repositories
        self._storage = storage
        self._own = own
        self._known: _Known = {}
        self._told: dict[str, str] = {}

    async def serve(self, changes: Callable[[], AsyncIterator[object]]) -> None:
        """Look at once, when something changed that is wanted, and every minute, until cancelled."""
        wake = asyncio.Event()
        listening = asyncio.create_task(patience.wake(changes, wake))
        try:
            while True:
                wake.clear()
                with patience.database_pauses():
                    await self._until_other_is_wanted(await self.look(), wake)
        finally:
            listening.cancel()

    async def look(self) -> list[ports.Wanted]:
        """Make and record what is missing; what is wanted."""
        wanted = await self._codes.wanted_code()
        for one in wanted:
            try:
                await self._keep(one)
                self._told.pop(one.name, None)
            except (errors.Stalled, errors.Waiting) as problem:
                if self._told.get(one.name) != problem.message:
                    LOG.warning("code of %s: %s", one.name, problem.message)
                self._told[one.name] = problem.message
        return wanted

    async def _keep(self, one: ports.Wanted) -> None:
        url = self._url(one)
        commit = await self._repositories.resolve(url, one.revision)
        place = (url, commit, one.path)
        if place not in self._known:
            async with self._repositories.checkout(url, commit, one.path) as found:
                code = await snapshots.take(
                    self._storage, found.root, one.path, found.files, commit
                )
            self._known[place] = code.sha256
        record = {one.name: (self._known[place], commit)}
        if await self._codes.record_code(one.source, record):
            LOG.info("code of %s: commit %s", one.name, commit[:12])

    def _url(self, one: ports.Wanted) -> str:
        if one.url != ".":
            return one.url
        if self._own is None:
            raise errors.Stalled(
                'repository: "." is not known in a cluster: set WBX_REPOSITORY to its URL, or name the URL in spec.repo',
                reason="CodeMissing",
            )
        return self._own

    async def _until_other_is_wanted(self, seen: list[ports.Wanted], wake: asyncio.Event) -> None:
        pause = EVERY_SECONDS * random.uniform(0.9, 1.1)  # noqa: S311 - jitter, not a secret
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                while True:
                    await wake.wait()
                    await asyncio.sleep(_BURST_SECONDS)  # changes come in bursts
                    wake.clear()
                    if await self._codes.wanted_code() != seen:
                        return
