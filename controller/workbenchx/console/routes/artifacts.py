"""Artifacts: pointers, links to their bytes, and, embedded, the bytes behind a link."""

import datetime
from typing import Annotated, Any

import fastapi
import pydantic
from starlette import responses

from workbenchx import errors
from workbenchx.console import paging, parts, problems, wire, words
from workbenchx.console.auth import asking
from workbenchx.wiring import handing

router = fastapi.APIRouter(prefix="/api/v1", tags=["artifacts"])
_DAY = 24 * 3600
_BYTES = "application/octet-stream"
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The bytes, under the media type that the link carries",
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class Artifact(pydantic.BaseModel):
    """A pointer to stored bytes; `kind`, `namespace` and `owner` name the resource whose run made it.

    `storage`: the StorageProvider that has them; null: the embedded one, or an older release did not record it.
    """

    id: str
    run_id: str | None
    project: str | None
    kind: str | None
    namespace: str | None
    owner: str | None
    name: str
    bucket: str
    key: str
    bytes: int
    media_type: str
    sha256: str
    storage: str | None
    created_at: datetime.datetime
    removed_at: datetime.datetime | None


class Link(pydantic.BaseModel):
    """Where the bytes are for a while. A relative `url` is of this server."""

    url: str
    sha256: str
    bytes: int
    media_type: str
    expires_at: datetime.datetime


@router.get("/artifacts", response_model=paging.Page[Artifact], summary="What runs left")
async def artifacts(
    request: fastapi.Request,
    asks: asking.Asks,
    window: paging.Asked,
    *,
    run_id: words.Asked = None,
    word: words.Asked = None,
) -> responses.Response:
    """The latest first. `word`: an id, a sha256 (of these, six digits will do) or a name."""
    after = window.after(paging.moment, paging.text, paging.text)
    async with asks.reading() as ask:
        wanted = (await ask.run(run_id))["run_id"] if run_id else None
        rows = await ask.artifacts(run_id=wanted, word=word, after=after, limit=window.limit + 1)
    return wire.answer(request, window.page(rows, _place))


@router.get("/artifacts/{artifact_id}", response_model=Artifact, summary="One artifact")
async def artifact(
    request: fastapi.Request, asks: asking.Asks, artifact_id: words.InPath
) -> responses.Response:
    """By id, sha256 or name, the latest of several."""
    async with asks.reading() as ask:
        row = await ask.artifact(artifact_id)
    return wire.answer(request, row)


@router.get("/artifacts/{artifact_id}/url", response_model=Link, summary="A link to its bytes")
async def link(
    asks: asking.Asks,
    artifact_id: words.InPath,
    *,
    ttl: Annotated[int, fastapi.Query(ge=1, le=7 * _DAY, description="Seconds.")] = 900,
) -> responses.Response:
    """Handed out after the pointer was read as the caller; whoever has the link reads the bytes until it ends."""
    storage = await asks.storage()
    seconds = datetime.timedelta(seconds=ttl)
    try:
        if storage is None:
            raise _no_links()
        found = await handing.link(asks.one_by_one, storage, artifact_id, expires=seconds)
    except errors.Stalled as problem:
        if problem.reason == "SecretMissing":
            raise _no_links() from problem
        raise
    return responses.Response(wire.encode(found), media_type=wire.JSON)


def _no_links() -> problems.Problem:
    return problems.Problem(
        501, "storage: this server signs no links: it does not reach the storage that is recorded"
    )


@router.get(
    "/blobs/{sha256}",
    response_class=responses.Response,
    responses=_ANSWER,
    summary="Bytes behind a link",
)
async def blob(
    request: fastapi.Request,
    sha256: Annotated[str, fastapi.Path(pattern=r"^[0-9a-f]{64}$")],
) -> responses.Response:
    """Public: the link itself is the permission, for these bytes until it ends."""
    blobs = parts.of(request).blobs
    if blobs is None:
        raise problems.Problem(501, "storage: its links are served elsewhere")
    try:
        grant = blobs.verify_link(sha256, request.query_params)
    except errors.Stalled:
        asking.strangers(request).take(asking.address(request))
        raise
    if not await blobs.exists(sha256):
        raise problems.Problem(404, "artifact: its bytes are gone", reason="ArtifactMissing")
    return responses.StreamingResponse(blobs.open(sha256), headers=grant.headers)


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["created_at"], row["name"], row["id"]
