"""Which embedder turns texts into vectors here, and the answer to a search.

For the console's route: `answer(callers.Caller, embedder_of(settings), project, query, limit)`. The query is embedded
before the caller's transaction is opened.
"""

import contextlib
from collections.abc import Callable
from typing import Protocol

from workbenchx import errors, ports
from workbenchx.engine import corpus, indexer
from workbenchx.providers.embedding import wordllama
from workbenchx.store import connections, documents
from workbenchx.wiring import process, settings

LONGEST = 4_000


class Source(Protocol):
    """Where transactions of the one who asks come from: the engine's connections, or a caller's."""

    def transaction(self) -> contextlib.AbstractAsyncContextManager[connections.Connection]:
        """One transaction."""


def embedder_of(chosen: settings.Settings) -> ports.Embedder:
    """The embedder that the settings choose. Nothing is loaded yet.

    Raises:
        errors.Stalled: reason RetrievalOff: it is switched off, or not installed.
    """
    if chosen.embeddings == "off":
        raise errors.Stalled(
            'retrieval is off: embeddings is "off" in wbx.toml or WBX_EMBEDDINGS',
            reason="RetrievalOff",
        )
    if not wordllama.installed():
        raise errors.Stalled(
            f'retrieval is off: no embedder is installed; pip install {wordllama.PACKAGE} (the extra "embeddings")',
            reason="RetrievalOff",
        )
    return wordllama.WordLlama()


def indexer_of(
    chosen: settings.Settings, db: connections.Connections, storage: ports.StorageProvider
) -> indexer.Indexer | None:
    """The indexer of this process; None where the settings or the machine have no embedder."""
    try:
        embedder = embedder_of(chosen)
    except errors.Stalled:
        return None
    return indexer.Indexer(
        documents.Documents(db), storage, embedder, holder=process.identity("indexer")
    )


async def bury_the_dead(db: connections.Connections) -> None:
    """Give back the projects that indexers of this machine held which were killed."""
    shelf = documents.Documents(db)
    for holder in await shelf.holders():
        if process.is_dead(holder):
            await shelf.release_holder(holder)


async def catch_up(
    db: connections.Connections,
    storage: ports.StorageProvider,
    embedder: ports.Embedder,
    project: str,
    waiting: Callable[[], None],
) -> bool:
    """Index what changed of the project since it was indexed (`waiting` is called first); whether all is indexed now.

    Raises:
        errors.Stalled: reason RetrievalOff, NotFound.
    """
    shelf = documents.Documents(db)
    if told := await shelf.off():
        raise _off(told)
    async with db.transaction() as conn:
        await documents.set_of(conn, project)
    if not await shelf.due(embedder.name, corpus.RECIPE, project):
        return True
    waiting()
    await bury_the_dead(db)
    holder = process.identity("indexer")
    return await indexer.Indexer(shelf, storage, embedder, holder=holder).index(project)


async def answer(
    source: Source, embedder: ports.Embedder, project: str, query: str, limit: int
) -> ports.Row:
    """The hits for `query` as who asks: `items` (the nearest first), `model`, and whether all texts are `indexed`.

    Raises:
        errors.Stalled: reason QueryInvalid, NotFound (no such project, or not one of the caller's), RetrievalOff, or
            EmbeddingMismatch (indexed by another model, and not yet anew).
    """
    if not query.strip() or len(query) > LONGEST:
        raise errors.Stalled(
            f"search: a query has 1 to {LONGEST:,} characters, not {len(query.strip()):,}",
            reason="QueryInvalid",
        )
    (vector,) = await embedder.embed([query])
    async with source.transaction() as conn:
        if told := await documents.off(conn):
            raise _off(told)
        state = await documents.set_of(conn, project)
        items = await documents.search(conn, project, vector, limit, model=embedder.name)
    return {"items": items, "model": embedder.name, "indexed": state["indexed"] is not None}


def _off(told: str) -> errors.Stalled:
    return errors.Stalled(f"retrieval is off: {told}", reason="RetrievalOff")
