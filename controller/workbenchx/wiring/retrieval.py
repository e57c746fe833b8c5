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


def embedder_if_any(chosen: settings.Settings) -> ports.Embedder | None:
    """The same; None where the settings or the machine have none."""
    try:
        return embedder_of(chosen)
    except errors.Stalled:
        return None


def indexer_of(
    chosen: settings.Settings, db: connections.Connections, storage: ports.StorageProvider
) -> indexer.Indexer | None:
    """The indexer of this process; None where there is no embedder."""
    embedder = embedder_if_any(chosen)
    if embedder is None:
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
    """The hits for `query` as who asks: `items` (the nearest first), `model`, and whether the project is `indexed`.

    A project that is not there, or not one of the caller's, has no hits.

    Raises:
        errors.Stalled: reason RetrievalOff, or EmbeddingMismatch (indexed by another model, and not yet anew).
    """
    (vector,) = await embedder.embed([query])
    async with source.transaction() as conn:
        items = await documents.search(conn, project, vector, limit, model=embedder.name)
        indexed = await documents.is_indexed(conn, project)
    return {"items": items, "model": embedder.name, "indexed": indexed}


def _off(told: str) -> errors.Stalled:
    return errors.Stalled(f"retrieval is off: {told}", reason="RetrievalOff")
