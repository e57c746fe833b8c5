"""Runs: the list, one with its order, and its attempts."""

import datetime
import uuid
from typing import Annotated, Any, Literal

import fastapi
import pydantic
from starlette import responses

from workbenchx.console import paging, wire, words
from workbenchx.console.auth import asking

router = fastapi.APIRouter(prefix="/api/v1", tags=["runs"])
State = Literal["queued", "running", "succeeded", "failed", "cancelled", "timed_out", "lost"]


class Run(pydantic.BaseModel):
    """One executed operation."""

    run_id: str
    project: str | None
    operation: str
    kind: str | None
    namespace: str
    name: str | None
    resource_uid: str | None
    provider: str
    external_id: str | None
    state: State
    attempt: int
    tries: int
    execution_hash: str
    lease_owner: str | None
    lease_until: datetime.datetime | None
    fencing: int
    deadline: datetime.datetime | None
    not_before: datetime.datetime | None
    scheduled_for: datetime.datetime | None
    cancel_requested_at: datetime.datetime | None
    exit_code: int | None
    reason: str
    message: str
    metrics: words.Document
    cost_estimate: words.Money
    cost: words.Money
    commit: str | None
    queued_at: datetime.datetime
    created_at: datetime.datetime
    started_at: datetime.datetime | None
    ended_at: datetime.datetime | None
    events: int


class Order(Run):
    """One run with what it was told to do."""

    document: words.Document
    event_head: str | None


class Attempt(pydantic.BaseModel):
    """One attempt of a run on a sandbox."""

    id: str
    run_id: str
    attempt: int
    resource_uid: str | None
    provider: str
    external_id: str
    command: list[str]
    state: str
    reason: str
    exit_code: int | None
    started_at: datetime.datetime
    ended_at: datetime.datetime | None


@router.get("/runs", response_model=paging.Page[Run], summary="What was done")
async def runs(
    request: fastapi.Request,
    asks: asking.Asks,
    window: paging.Asked,
    *,
    kind: words.Asked = None,
    namespace: words.Asked = None,
    name: words.Asked = None,
    project: words.Asked = None,
    uid: Annotated[uuid.UUID | None, fastapi.Query()] = None,
    state: Annotated[State | Literal["open"] | None, fastapi.Query()] = None,
) -> responses.Response:
    """The latest first."""
    after = window.after(paging.moment, paging.identity)
    async with asks.reading() as ask:
        rows = await ask.runs(
            kind=kind,
            namespace=namespace,
            name=name,
            project=project,
            uid=str(uid) if uid else None,
            state=state,
            after=after,
            limit=window.limit + 1,
        )
    return wire.answer(request, window.page(rows, _place))


@router.get("/runs/{run_id}", response_model=Order, summary="One run")
async def run(
    request: fastapi.Request, asks: asking.Asks, run_id: words.InPath
) -> responses.Response:
    """By its id or any beginning of it that is no other's."""
    async with asks.reading() as ask:
        row = await ask.run(run_id)
    return wire.answer(request, row)


@router.get("/runs/{run_id}/attempts", response_model=paging.Page[Attempt], summary="Its attempts")
async def attempts(
    request: fastapi.Request, asks: asking.Asks, run_id: words.InPath
) -> responses.Response:
    """Oldest first; all of them."""
    async with asks.reading() as ask:
        row = await ask.run(run_id)
        found = await ask.sandbox_runs(row["run_id"])
    return wire.answer(request, {"items": found, "next": None})


def _place(row: dict[str, Any]) -> tuple[Any, Any]:
    return row["queued_at"], row["run_id"]
