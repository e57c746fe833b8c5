"""Fills the index that is searched: level-triggered, one project at a time, resumable after any crash.

A pass asks which projects have other texts than what is indexed. It holds each under a lease with a token, writes
batches (what is known already is neither embedded nor written again), removes what is gone, and last says which state
is there. A crash leaves a mixture of two states that can be searched; the next pass goes on from it.
"""

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import AsyncGenerator

from workbenchx import errors, ports
from workbenchx.engine import corpus, failpoints, patience

LOG = logging.getLogger(__name__)
LEASE_SECONDS = 60.0
LOOK_SECONDS = 60.0
QUIET_SECONDS = 1.0
BATCH = 128
MOST = 100_000
_SPOOL = 8 << 20


class Indexer:
    """The indexer of one process. `holder`: its name, which no other process has."""

    def __init__(
        self,
        documents: ports.Documents,
        storage: ports.StorageProvider,
        embedder: ports.Embedder,
        *,
        holder: str,
    ) -> None:
        self._documents = documents
        self._storage = storage
        self._embedder = embedder
        self._holder = holder
        self._wake = asyncio.Event()
        self._stalled: dict[str, str] = {}

    def wake(self) -> None:
        """Something changed: look soon."""
        self._wake.set()

    async def serve(self) -> None:
        """Index until cancelled; at once and for ever only if the database can."""
        while True:
            self._wake.clear()
            with patience.database_pauses():
                if told := await self._documents.off():
                    LOG.info("index: %s", told)
                else:
                    await self.index()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wake.wait()
            await asyncio.sleep(QUIET_SECONDS)

    async def index(self, project: str | None = None) -> bool:
        """One pass over all projects, or one; whether all of them are indexed now.

        What stalls one project is told, and not tried again until its texts change; the others go on.
        """
        await self._documents.drop_buried()
        done = True
        for due in await self._documents.due(self._embedder.name, corpus.RECIPE, project):
            if self._stalled.get(due.project_id) == due.digest:
                done = False
                continue
            try:
                done &= await self._project(due)
            except errors.Conflict as problem:
                LOG.info("index: %s: %s", due.name, problem.message)
                done = False
            except errors.Waiting:
                raise
            except errors.Stalled as problem:
                LOG.warning("index: %s: %s", due.name, problem.message)
                self._stalled[due.project_id] = due.digest
                done = False
            except Exception:
                LOG.exception("index: %s: a bug in WorkbenchX", due.name)
                self._stalled[due.project_id] = due.digest
                done = False
        return done

    async def _project(self, due: ports.IndexDue) -> bool:
        token = await self._documents.claim(
            due.project_id,
            self._embedder.name,
            self._embedder.dimensions,
            holder=self._holder,
            lease=LEASE_SECONDS,
        )
        if token is None:
            return False
        failpoints.reach("index.claimed")
        filling = _Filling(self._documents, self._embedder, due, token)
        try:
            await filling.fill(self._texts(due))
        finally:
            await self._documents.release(due.project_id, token)
        failpoints.reach("index.finished")
        return True

    async def _texts(self, due: ports.IndexDue) -> AsyncGenerator[corpus.Text, None]:
        for key, spec in await self._documents.declared(due.name):
            yield corpus.of_declared(key, spec)
        if due.code is not None:
            with tempfile.SpooledTemporaryFile(max_size=_SPOOL) as file:
                async for data in self._storage.open(due.code):
                    file.write(data)
                file.seek(0)
                texts = corpus.of_snapshot(file)
                while (text := await asyncio.to_thread(next, texts, None)) is not None:
                    yield text


class _Filling:
    """One project being written."""

    def __init__(
        self, documents: ports.Documents, embedder: ports.Embedder, due: ports.IndexDue, token: int
    ) -> None:
        self._documents = documents
        self._embedder = embedder
        self._due = due
        self._token = token
        self._kept: list[str] = []
        self._waiting: list[corpus.Passage] = []
        self._ends: dict[str, int] = {}
        self._chunks = 0
        self._skipped = 0

    async def fill(self, texts: AsyncGenerator[corpus.Text, None]) -> None:
        """Write all texts, then say so.

        Raises:
            errors.Conflict: another holds the project now.
        """
        async with contextlib.aclosing(texts):
            async for text in texts:
                await self._add(text)
        await self._flush()
        counts = ports.IndexCounts(len(self._kept), self._chunks, self._skipped)
        if not await self._documents.finish(self._due, self._token, counts, self._kept):
            raise errors.Conflict("another process indexes it now")

    async def _add(self, text: corpus.Text) -> None:
        passages = await asyncio.to_thread(corpus.passages, text)
        if text.body is None or self._chunks + len(passages) > MOST:
            self._skipped += 1
            return
        self._kept.append(text.source)
        self._chunks += len(passages)
        for passage in passages:
            self._waiting.append(passage)
            if len(self._waiting) >= BATCH:
                await self._flush()
        self._ends[text.source] = len(passages)

    async def _flush(self) -> None:
        passages, self._waiting = self._waiting, []
        ends, self._ends = self._ends, {}
        if not passages and not ends:
            return
        texts = {passage.chunk.sha256: passage.text for passage in passages}
        known = await self._documents.known(self._due.project_id, list(texts))
        wanted = [sha256 for sha256 in texts if sha256 not in known]
        vectors = await self._embedder.embed([texts[sha256] for sha256 in wanted])
        batch = ports.ChunkBatch(
            [passage.chunk for passage in passages],
            dict(zip(wanted, vectors, strict=True)),
            ends,
        )
        if not await self._documents.write(
            self._due, self._token, batch, model=self._embedder.name, lease=LEASE_SECONDS
        ):
            raise errors.Conflict("another process indexes it now")
        failpoints.reach("index.written")
