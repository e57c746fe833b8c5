"""Webhooks as people see them: what was put down, what was not and why, and the order to handle one anew (decision 198)."""

import datetime
from typing import Annotated, Literal

import fastapi
import pydantic
from starlette import responses

from workbenchx.console import paging, wire, words
from workbenchx.console.auth import asking
from workbenchx.store import deliveries as store

router = fastapi.APIRouter(prefix="/api/v1/deliveries", tags=["deliveries"])
Forge = Literal["github", "gitea"]
Of = Annotated[words.Text | None, fastapi.Query(description="Of this Source, as namespace/name.")]
Waiting = Annotated[bool, fastapi.Query(description="Only those that nobody has handled yet.")]
_MOST = 1000


class Delivery(pydantic.BaseModel):
    """A webhook that was put down; `handled_at` null: it waits. Its body is not kept."""

    forge: Forge
    id: str
    event: str
    action: str | None
    repository: str
    source: str | None
    number: int | None
    branch: str | None
    commit: str | None
    context: str | None
    received_at: datetime.datetime
    handled_at: datetime.datetime | None
    again_at: datetime.datetime | None
    again_by: str | None


class Tally(pydantic.BaseModel):
    """Webhooks that were not put down, and why; `last_repository` is what the last one said, which may be untrue."""

    forge: Forge
    outcome: Literal["ignored", "refused"]
    why: str
    event: str
    repository: str
    source: str | None
    times: int
    first_at: datetime.datetime
    last_at: datetime.datetime
    last_id: str
    last_repository: str


class Again(pydantic.BaseModel):
    """Which one."""

    model_config = pydantic.ConfigDict(extra="forbid")

    forge: Forge
    id: words.Name


class Wanted(pydantic.BaseModel):
    """When it was wanted anew."""

    again_at: datetime.datetime


@router.get("", response_model=paging.Page[Delivery], summary="Webhooks that were put down")
async def deliveries(
    request: fastapi.Request,
    asks: asking.Asks,
    window: paging.Asked,
    source: Of = None,
    *,
    waiting: Waiting = False,
) -> responses.Response:
    """The latest first, of the caller's projects; kept for a month."""
    after = window.after(paging.moment, paging.text, paging.text)
    async with asks.reading() as ask:
        rows = await ask.deliveries(
            source=source, waiting=waiting, after=after, limit=window.limit + 1
        )
    page = window.page(rows, lambda row: (row["received_at"], row["forge"], row["id"]))
    return wire.answer(request, page)


@router.get("/tallies", response_model=paging.Page[Tally], summary="Webhooks that were not")
async def tallies(
    request: fastapi.Request, asks: asking.Asks, source: Of = None
) -> responses.Response:
    """Counted by why; what belongs to no Source of a project is the platform team's. There is one page of them."""
    async with asks.reading() as ask:
        rows = await ask.delivery_tallies(source=source, limit=_MOST)
    return wire.answer(request, {"items": rows, "next": None})


@router.post("/again", response_model=Wanted, status_code=202, summary="Handle one anew")
async def again(asks: asking.Asks, wanted: Again) -> responses.Response:
    """For editors: what it is about is looked at, and said anew, even if it is the same."""
    async with asks.ordering() as conn:
        at = await store.order_again(conn, wanted.forge, wanted.id)
    return responses.Response(wire.encode({"again_at": at}), 202, media_type=wire.JSON)
