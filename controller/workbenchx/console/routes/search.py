"""Search by meaning in one project's documents, where this installation can."""

from typing import Annotated

import fastapi
import pydantic
from starlette import responses

from workbenchx.console import parts, problems, wire, words
from workbenchx.console.auth import asking
from workbenchx.wiring import retrieval

router = fastapi.APIRouter(prefix="/api/v1", tags=["documents"])


class Search(pydantic.BaseModel):
    """What to look for, and where."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True)

    project: words.Name
    query: Annotated[str, pydantic.StringConstraints(min_length=1, max_length=4096)]
    limit: Annotated[int, pydantic.Field(ge=1, le=100)] = 10


class Hit(pydantic.BaseModel):
    """A piece of a source: characters `start_at` to `end_at`; `score` 1: the same, 0: unrelated."""

    source: str
    chunk: int
    line: int
    start_at: int
    end_at: int
    body: str
    score: float


class Hits(pydantic.BaseModel):
    """The nearest first. `indexed`: all of the project's texts were, once; `model`: whose vectors they are."""

    items: list[Hit]
    next: None = None
    model: str
    indexed: bool


@router.post("/documents/search", response_model=Hits, summary="Search by meaning")
async def search(request: fastapi.Request, asks: asking.Asks, body: Search) -> responses.Response:
    """A project that the caller may not read has no hits."""
    embedder = parts.of(request).embedder
    if embedder is None:
        raise problems.Problem(
            501,
            'search: this server has no embedder; whoever runs it installs the extra "embeddings",'
            ' and leaves the setting embeddings on "auto"',
            reason="RetrievalOff",
        )
    found = await retrieval.answer(asks, embedder, body.project, body.query, body.limit)
    return responses.Response(wire.encode(found | {"next": None}), media_type=wire.JSON)
