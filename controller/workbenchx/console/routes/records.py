"""What else is recorded: who leads, what is under way, what waits for a person, proposals, and verdicts on chains."""

import datetime
import uuid
from collections.abc import Mapping
from typing import Any, Literal

import fastapi
import pydantic
from starlette import responses

from workbenchx.console import paging, wire, words
from workbenchx.console.auth import asking
from workbenchx.console.routes import resources

router = fastapi.APIRouter(prefix="/api/v1", tags=["records"])
_KEY = (paging.text, paging.text, paging.text)
_CHAINS = 500
_NEVER = "-infinity"


class Held(words.Key):
    """What waits for a person."""

    state: str
    reason: str
    message: str


class Leader(pydantic.BaseModel):
    """Who leads; `alive`: the lease is good."""

    holder: str | None
    epoch: int
    until: datetime.datetime | None
    alive: bool


class Counts(pydantic.BaseModel):
    """Open runs: of changes, of commands, of commands by schedule; and how many of them wait for a time."""

    reconciling: int
    executing: int
    scheduled: int
    waiting: int


class Proposal(pydantic.BaseModel):
    """A change that FixBot proposes."""

    id: str
    fingerprint: str
    project: str | None
    state: Literal["open", "merged", "closed", "snoozed", "handed_over"]
    title: str
    branch: str
    url: str | None
    document: words.Document
    run_id: str | None
    snoozed_until: datetime.datetime | None
    created_at: datetime.datetime
    updated_at: datetime.datetime
    closed_at: datetime.datetime | None


class FixWait(words.Key):
    """What FixBot found and has no pull request for; `why` in a sentence."""

    source: str
    fingerprint: str
    project: str | None
    rule: str
    field: str
    state: Literal["capped", "manual", "refused"]
    why: str
    since: datetime.datetime


class FixAnswer(words.Key):
    """What a model answered about a failed run; `reply` is the change that it wrote, where that may be used."""

    source: str
    cause: str
    project: str | None
    alias: str
    state: Literal["asked", "refused", "accepted"]
    tries: int
    message: str
    asked_at: datetime.datetime | None
    run_id: str | None
    run_state: str | None
    cost: words.Money | None
    reply: words.Document | None


class Chain(pydantic.BaseModel):
    """The verdict on a run's chain of events; `broken_at`: at which event."""

    model_config = pydantic.ConfigDict(extra="allow")

    run_id: str
    events: int
    verdict: str
    broken_at: int | None


@router.get("/held", response_model=paging.Page[Held], summary="What waits for a person")
async def held(
    request: fastapi.Request, asks: asking.Asks, window: paging.Asked
) -> responses.Response:
    """By kind and name."""
    after = window.after(*_KEY)
    async with asks.reading() as ask:
        rows = await ask.held(after=after, limit=window.limit + 1)
    return wire.answer(request, window.page(rows, resources.key))


@router.get("/leader", response_model=Leader, summary="Who leads")
async def leader(request: fastapi.Request, asks: asking.Asks) -> responses.Response:
    """The process that plans and writes; for members."""
    async with asks.reading() as ask:
        row = await ask.leader()
    return wire.answer(request, row)


@router.get("/counts", response_model=Counts, summary="What is under way")
async def counts(request: fastapi.Request, asks: asking.Asks) -> responses.Response:
    """Counts the open runs that the caller may see."""
    async with asks.reading() as ask:
        row = await ask.counts_open()
    return wire.answer(request, row)


@router.get("/proposals", response_model=paging.Page[Proposal], summary="What FixBot proposes")
async def proposals(
    request: fastapi.Request, asks: asking.Asks, window: paging.Asked
) -> responses.Response:
    """The latest first."""
    after = window.after(paging.moment, paging.identity)
    async with asks.reading() as ask:
        rows = await ask.proposals(after=after, limit=window.limit + 1)
    return wire.answer(request, window.page(rows, lambda row: (row["created_at"], row["id"])))


@router.get("/proposals/{proposal_id}", response_model=Proposal, summary="One proposal")
async def proposal(
    request: fastapi.Request, asks: asking.Asks, proposal_id: uuid.UUID
) -> responses.Response:
    """By its id."""
    async with asks.reading() as ask:
        row = await ask.proposal(str(proposal_id))
    return wire.answer(request, row)


@router.get("/fix-waits", response_model=paging.Page[FixWait], summary="What is not proposed")
async def fix_waits(
    request: fastapi.Request, asks: asking.Asks, window: paging.Asked
) -> responses.Response:
    """By FixBot at its last look, with why; the oldest first."""
    after = window.after(paging.moment, paging.text, paging.text)
    async with asks.reading() as ask:
        rows = await ask.fix_waits(after=after, limit=window.limit + 1)
    return wire.answer(
        request,
        window.page(rows, lambda row: (row["since"], row["source"], row["fingerprint"])),
    )


@router.get("/fix-answers", response_model=paging.Page[FixAnswer], summary="What models answered")
async def fix_answers(
    request: fastapi.Request, asks: asking.Asks, window: paging.Asked
) -> responses.Response:
    """Of FixBot's questions about failed runs, the latest first."""
    after = window.after(_when, paging.text, paging.text)
    async with asks.reading() as ask:
        rows = await ask.fix_answers(after=after, limit=window.limit + 1)
    return wire.answer(request, window.page(rows, _asked))


@router.get("/chains", response_model=paging.Page[Chain], summary="Verdicts on all chains")
async def chains(
    request: fastapi.Request, asks: asking.Asks, window: paging.Asked
) -> responses.Response:
    """By run. Every batch is recomputed from its events, also from those that the caller may not read."""
    place = window.after(paging.identity)
    window.limit = min(window.limit, _CHAINS)
    async with asks.reading() as ask:
        rows = await ask.chain_page(after=place[0] if place else None, limit=window.limit + 1)
    return wire.answer(request, window.page(rows, lambda row: (row["run_id"],)))


@router.get("/runs/{run_id}/chain", response_model=Chain, summary="The verdict on one chain")
async def chain(
    request: fastapi.Request, asks: asking.Asks, run_id: words.InPath
) -> responses.Response:
    """Intact, or broken and at which event."""
    async with asks.reading() as ask:
        rows = await ask.chains(run_id)
    return wire.answer(request, rows[0])


def _asked(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """The place of an answer; what was never sent is behind all others."""
    at = row["asked_at"]
    return (at.isoformat() if at else _NEVER, row["source"], row["cause"])


def _when(part: Any) -> str:
    """A time, or never.

    Raises:
        ValueError: it is neither.
    """
    if part != _NEVER:
        paging.moment(part)
    return str(part)
