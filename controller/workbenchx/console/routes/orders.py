"""What people order: by functions of the database that check the role, and are recorded with who ordered."""

import datetime
from typing import Annotated, Any, Literal

import fastapi
import pydantic
from starlette import responses

from workbenchx.console import paging, wire, words
from workbenchx.console.auth import asking
from workbenchx.store import callers, orders, reads

router = fastapi.APIRouter(prefix="/api/v1", tags=["orders"])
Verb = Literal[
    "suspend", "resume", "confirm", "cancel", "snooze", "adopt", "forget", "start", "stop",
    "extend", "snapshot", "rerun", "backfill", "sync",
]  # fmt: skip


class Intervention(pydantic.BaseModel):
    """An order as it was recorded; `applied_at` null: it is still in force."""

    id: str
    verb: Verb
    kind: str | None
    namespace: str
    name: str | None
    args: words.Document
    actor: str
    at: datetime.datetime
    applied_at: datetime.datetime | None
    applied_run_id: str | None


class Order(pydantic.BaseModel):
    """An order: of a resource, or, for cancel, confirm, snooze and rerun, of what `args` name."""

    model_config = pydantic.ConfigDict(extra="forbid")

    verb: Verb
    kind: words.Name | None = None
    namespace: words.Text | None = None
    name: words.Name | None = None
    args: words.Document = pydantic.Field(default_factory=dict)


class Recorded(pydantic.BaseModel):
    """The order's id."""

    id: str


class Promised(pydantic.BaseModel):
    """The id that the new run will have once the engine carried the order out."""

    run_id: str


@router.get("/interventions", response_model=paging.Page[Intervention], summary="What was ordered")
async def interventions(
    request: fastapi.Request, asks: asking.Asks, window: paging.Asked
) -> responses.Response:
    """The latest first."""
    after = window.after(paging.moment, paging.identity)
    async with asks.reading() as ask:
        rows = await ask.interventions(after=after, limit=window.limit + 1)
    return wire.answer(request, window.page(rows, lambda row: (row["at"], row["id"])))


@router.post("/interventions", response_model=Recorded, status_code=201, summary="Order something")
async def intervene(asks: asking.Asks, order: Order) -> responses.Response:
    """The least role of each verb: editor; admin for confirm, adopt and forget; the platform team for the cluster's."""
    subject = (order.kind, order.namespace or "", order.name)
    async with asks.ordering() as conn:
        made = await orders.intervene(conn, order.verb, subject, order.args)
    return responses.Response(wire.encode({"id": made}), 201, media_type=wire.JSON)


@router.post(
    "/runs/{run_id}/reproduce",
    response_model=Promised,
    status_code=202,
    summary="Execute an ended run again",
)
async def reproduce(
    asks: asking.Asks,
    run_id: words.InPath,
    _: Annotated[dict[str, Any] | None, fastapi.Body()] = None,
) -> responses.Response:
    """Same code, runtime, inputs, parameters and seed, under a new id."""
    async with asks.ordering() as conn:
        run = await reads.Reads(callers.Within(conn)).run(run_id)
        made = await orders.rerun(conn, run["run_id"])
    return responses.Response(wire.encode({"run_id": made}), 202, media_type=wire.JSON)
