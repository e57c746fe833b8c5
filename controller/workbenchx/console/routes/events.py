"""What happens: the events of a run, as a list or as they come, and that something changed anywhere."""

import contextlib
import datetime
from collections.abc import AsyncGenerator
from typing import Annotated, Any

import fastapi
import pydantic
from starlette import responses

from workbenchx import errors
from workbenchx.console import paging, parts, problems, streams, wire, words
from workbenchx.console.auth import asking
from workbenchx.planner import model
from workbenchx.store import notify

router = fastapi.APIRouter(prefix="/api/v1", tags=["events"])
_BATCH = 500
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {streams.MEDIA_TYPE: {"schema": {"type": "string"}}}}
}
Number = Annotated[int, fastapi.Query(ge=0, lt=2**63)]


class Event(pydantic.BaseModel):
    """One event of a run."""

    run_id: str
    seq: int
    at: datetime.datetime
    type: str
    actor: str
    data: words.Document


@router.get(
    "/runs/{run_id}/events",
    response_model=paging.Page[Event],
    responses=_STREAM,
    summary="What happened in a run",
)
async def events(
    request: fastapi.Request,
    asks: asking.Asks,
    window: paging.Asked,
    run_id: words.InPath,
    *,
    after: Number = 0,
) -> responses.Response:
    """In order, from behind `after` on. With `Accept: text/event-stream` as they come, until the run has ended."""
    (place,) = window.after(paging.number) or (str(after),)
    if streams.wanted(request.headers.get("accept", "")):
        return await _stream(request, asks, run_id, streams.resumed(request.headers, int(place)))
    async with asks.reading() as ask:
        run = await ask.run(run_id)
        rows = await ask.events(run["run_id"], after=int(place), limit=window.limit + 1)
    return wire.answer(request, window.page(rows, lambda row: (row["seq"],)))


async def _stream(
    request: fastapi.Request, asks: asking.Asking, run_id: str, after: int
) -> responses.Response:
    """The first batch is read before the answer begins, so that a run that is not there is a problem, not a stream."""
    chosen = parts.of(request)
    with contextlib.ExitStack() as stack:
        stack.enter_context(request.app.state.places.taken(chosen, str(asks.claims["sub"])))
        async with asks.reading() as ask:
            full = str((await ask.run(run_id))["run_id"])
        return streams.EventStream(_follow(asks, chosen, full, after), stack.pop_all())


async def _follow(
    asks: asking.Asking, chosen: parts.Parts, run_id: str, after: int
) -> AsyncGenerator[bytes, None]:
    """Every batch is read as the caller is seen then: who is no member any more hears nothing more."""
    async with contextlib.aclosing(
        streams.ticks(asks, chosen, notify.CHANGED, notify.EVENTS)
    ) as ticks:
        async for changed in ticks:
            if not changed:
                yield streams.KEEP_ALIVE
                continue
            ended = False
            while not ended:
                try:
                    ended, rows = await _batch(asks, run_id, after)
                except errors.WorkbenchError:
                    return
                for row in rows:
                    after = row["seq"]
                    yield streams.event(row["type"], row, number=after)
                if len(rows) < _BATCH:
                    break
            if ended:
                return


async def _batch(asks: asking.Asking, run_id: str, after: int) -> tuple[bool, list[dict[str, Any]]]:
    """Whether these are the last, and the next events. The state is read first: what came before the end is there."""
    async with asks.reading() as ask:
        run = await ask.run(run_id)
        rows = await ask.events(run_id, after=after, limit=_BATCH)
    ended = not model.ExecutionState(run["state"]).open
    return ended and len(rows) < _BATCH, rows


@router.get(
    "/changes",
    response_class=responses.StreamingResponse,
    responses={
        200: {**_STREAM[200], "description": "One event at once and one per burst of changes"}
    },
    summary="That something changed",
)
async def changes(request: fastapi.Request, asks: asking.Asks) -> responses.Response:
    """A stream of events without content: read again what you show. Who is a member of nothing hears the first only."""
    chosen = parts.of(request)
    with contextlib.ExitStack() as stack:
        stack.enter_context(request.app.state.places.taken(chosen, str(asks.claims["sub"])))
        return streams.EventStream(_changes(asks, chosen), stack.pop_all())


async def _changes(asks: asking.Asking, chosen: parts.Parts) -> AsyncGenerator[bytes, None]:
    first = True
    async with contextlib.aclosing(streams.ticks(asks, chosen, notify.CHANGED)) as ticks:
        async for changed in ticks:
            if not changed:
                yield streams.KEEP_ALIVE
            elif first or await _is_member(asks):
                yield streams.event("change", {})
            first = False


async def _is_member(asks: asking.Asking) -> bool:
    """Whether there is anything that the caller may see; a database that is away changes nothing."""
    try:
        async with asks.reading() as ask:
            return await ask.installation() is not None
    except (errors.WorkbenchError, problems.Problem):
        return False
