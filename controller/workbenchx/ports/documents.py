"""The index of a project's texts, as the engine fills it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from workbenchx.planner import model


@dataclasses.dataclass(frozen=True, slots=True)
class IndexDue:
    """A project whose texts are not what is indexed. `digest` names the state that should be; `code`: its snapshot."""

    project_id: str
    name: str
    code: str | None
    digest: str


@dataclasses.dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a source. `start` and `end` count characters; `sha256` is of the text that was, or is, embedded."""

    source: str
    number: int
    line: int
    start: int
    end: int
    body: str
    sha256: str


@dataclasses.dataclass(frozen=True, slots=True)
class ChunkBatch:
    """Some chunks, of one source or several.

    `vectors` by sha256: a chunk without one takes that of the same text, which is known. `ends`: how many chunks each
    source has that ends in this batch; what it had beyond goes.
    """

    chunks: Sequence[Chunk]
    vectors: Mapping[str, Sequence[float]]
    ends: Mapping[str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class IndexCounts:
    """What a project's index holds: sources, chunks, and sources that were left out."""

    sources: int = 0
    chunks: int = 0
    skipped: int = 0


class Documents(Protocol):
    """`ops.documents`. One holder a project: what another's token writes changes nothing and answers False."""

    async def off(self) -> str | None:
        """Why this database cannot do retrieval, with the way out; None: it can."""

    async def due(self, model: str, recipe: str, project: str | None = None) -> list[IndexDue]:
        """Living projects (or that one) to be indexed by `model`. `recipe` names how texts are cut."""

    async def claim(
        self, project_id: str, model: str, dimensions: int, *, holder: str, lease: float
    ) -> int | None:
        """Hold the project, ready for that model: the token; None: another holds it."""

    async def declared(self, name: str) -> list[tuple[model.Key, Mapping[str, Any]]]:
        """What the project declares."""

    async def known(self, project_id: str, sha256: Sequence[str]) -> set[str]:
        """Which of these texts have a vector there."""

    async def write(
        self, due: IndexDue, token: int, batch: ChunkBatch, *, model: str, lease: float
    ) -> bool:
        """Write one batch, and keep the project for `lease` seconds more."""

    async def finish(
        self, due: IndexDue, token: int, counts: IndexCounts, kept: Sequence[str]
    ) -> bool:
        """All of `due.digest` is written; sources that are not in `kept` go."""

    async def release(self, project_id: str, token: int) -> None:
        """Let another go on at once."""

    async def drop_buried(self) -> None:
        """Remove what is indexed of projects that are gone."""
