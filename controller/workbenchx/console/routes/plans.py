"""Plans: those that are kept, and what would happen, computed for whoever asks from what they may see."""

import asyncio
import datetime
from typing import Annotated

import fastapi
import pydantic
from starlette import responses

from workbenchx import errors
from workbenchx.api import canonical, registry
from workbenchx.console import paging, parts, problems, wire, words
from workbenchx.console.auth import asking
from workbenchx.engine import batches, mirror, observer, readings
from workbenchx.planner import model
from workbenchx.planner import plan as planner
from workbenchx.planner.render import json as rendering
from workbenchx.store import callers, orders, reads

router = fastapi.APIRouter(prefix="/api/v1", tags=["plans"])
_MOST = 100
# true is no line, and "yes" is no answer.
_EXACT = pydantic.ConfigDict(strict=True)


async def few(
    limit: Annotated[int, fastapi.Query(ge=1, le=_MOST)] = _MOST, cursor: paging.Cursor = None
) -> paging.Window:
    """A page of documents that may be large."""
    return paging.Window(limit, cursor)


class Kept(pydantic.BaseModel):
    """A kept plan as the caller may see it; `document` says how many of its steps are `masked`."""

    id: str
    destroy_token: str
    complete: bool
    commit: str | None
    document: words.Document
    run_id: str | None
    created_at: datetime.datetime
    last_seen_at: datetime.datetime


class Planned(pydantic.BaseModel):
    """A plan as `wbx plan --json` prints it.

    `pending`: what the engine would still change; `masked`: how many documents were left out, as they are of projects
    that the caller has no part in.
    """

    model_config = pydantic.ConfigDict(extra="allow")

    id: str
    destroy_token: str
    complete: bool
    inputs: words.Document
    counts: dict[str, int]
    cost: dict[str, float]
    steps: list[words.Document]
    waits: list[words.Document]
    pending: list[words.Key] | None = None
    masked: int = 0


class Row(words.Key):
    """One declared document of a reading."""

    model_config = _EXACT

    project: str | None = None
    spec: words.Document
    hash: str
    commit: str | None = None
    path: str | None = None
    line: int | None = None
    problem: str | None = None


class Code(pydantic.BaseModel):
    """The snapshot of a project's code."""

    model_config = _EXACT

    sha256: str
    commit: str | None = None


class Reading(pydantic.BaseModel):
    """What files declare.

    `broken` are paths that could not be read, `faults` what is wrong there; `scope` is the path that was read (null: all).
    """

    model_config = _EXACT

    rows: list[Row]
    broken: list[str]
    faults: dict[str, str] = pydantic.Field(default_factory=dict)
    scope: str | None = None
    commit: str | None = None
    code: dict[str, Code] = pydantic.Field(default_factory=dict)
    complete: bool


@router.get("/plans", response_model=paging.Page[Kept], summary="Kept plans")
async def plans(
    request: fastapi.Request,
    asks: asking.Asks,
    window: Annotated[paging.Window, fastapi.Depends(few)],
) -> responses.Response:
    """The latest first, a hundred at most of one page."""
    after = window.after(paging.moment, paging.text)
    async with asks.reading() as ask:
        rows = await ask.plans_page(after=after, limit=window.limit + 1)
    return wire.answer(request, window.page(rows, lambda row: (row["last_seen_at"], row["id"])))


@router.get("/plans/{plan_id}", response_model=Kept, summary="One kept plan")
async def plan(
    request: fastapi.Request, asks: asking.Asks, plan_id: words.InPath
) -> responses.Response:
    """By the beginning of its id; `latest`: the one that was seen last."""
    async with asks.reading() as ask:
        rows = await ask.my_plans(None if plan_id == "latest" else plan_id, limit=1)
    if not rows:
        raise problems.Problem(404, f'plan: "{plan_id}" is not known', reason="PlanNotFound")
    return wire.answer(request, rows[0])


@router.post("/plans", response_model=Planned, summary="What would happen")
async def preview(
    request: fastapi.Request, asks: asking.Asks, reading: Reading | None = None
) -> responses.Response:
    """If this reading were recorded; null: as things stand now. Writes nothing."""
    chosen = parts.of(request)
    async with asks.transaction() as conn:
        installation = await reads.Reads(callers.Within(conn)).installation()
        mine = await orders.my_projects(conn)
    if installation is None:
        raise problems.Problem(403, "plan: you are a member of no project here")
    policy = model.Policy(
        installation=installation["id"],
        environment=installation["environment"],
        stand_in=chosen.stand_in,
    )
    world = await asks.world(datetime.datetime.now(datetime.UTC), policy)
    for adapter, provider in chosen.sandboxes.items():
        world = observer.overlay(world, adapter, await provider.observe())
    async with request.app.state.planning:
        found = await asyncio.to_thread(_planned, world, reading, mine)
    return responses.Response(found, media_type=wire.JSON)


def _planned(world: model.World, reading: Reading | None, mine: frozenset[str] | None) -> bytes:
    if reading is None:
        plan = planner.plan(world)
        pending = [key._asdict() for key in sorted(batches.pending(world, plan))]
        return wire.encode(rendering.document(plan) | {"pending": pending, "masked": 0})
    read = readings.parse(reading.model_dump())
    rows = tuple(_checked(row) for row in read.rows if orders.permitted(row, mine))
    swapped = mirror.swap(
        world, mirror.Reading(rows, read.broken, read.scope, read.commit, read.code, read.complete)
    )
    masked = len(read.rows) - len(rows)
    return wire.encode(rendering.document(planner.plan(swapped)) | {"masked": masked})


def _checked(row: model.Declared) -> model.Declared:
    """A document that the planner may trust, as it trusts those that are recorded: of a known kind, and valid.

    Raises:
        errors.Stalled: reason InvalidSpec.
    """
    kind = registry.KINDS.get(row.key.kind)
    if kind is None:
        raise errors.Stalled(f'reading: kind "{row.key.kind}" is not known', reason="InvalidSpec")
    if row.problem is not None:
        return row
    try:
        kind.spec_model.model_validate(row.spec)
    except pydantic.ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise errors.Stalled(
            f"reading: {row.key}: spec.{where} is invalid; wbx validate tells more",
            reason="InvalidSpec",
        ) from error
    if row.hash != canonical.digest(row.spec):
        raise errors.Stalled(
            f"reading: {row.key}: hash is not that of its spec", reason="InvalidSpec"
        )
    return row
