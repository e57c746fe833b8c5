"""What a run printed, from an offset on."""

import asyncio
from typing import Annotated, Any

import fastapi
from starlette import responses

from workbenchx import ports
from workbenchx.console import parts, words
from workbenchx.console.auth import asking
from workbenchx.planner import model
from workbenchx.store import notify, reads
from workbenchx.wiring import output

router = fastapi.APIRouter(prefix="/api/v1", tags=["runs"])
_BYTES = "application/octet-stream"
_LONGEST_WAIT = 30
_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Bytes, at most some MiB at once; none: nothing came yet, or it has ended",
        "content": {_BYTES: {"schema": {"type": "string", "format": "binary"}}},
        "headers": {
            name: {"description": told, "schema": {"type": "string"}}
            for name, told in (
                ("X-Log-Offset", "where these bytes begin"),
                ("X-Log-Next", "where the next ones begin"),
                ("X-Log-Ended", "true: nothing comes after these bytes"),
                ("X-Run-State", "the run's state"),
            )
        },
    }
}


@router.get(
    "/runs/{run_id}/logs",
    response_class=responses.Response,
    responses=_ANSWER,
    summary="What a run printed",
)
async def logs(
    request: fastapi.Request,
    asks: asking.Asks,
    run_id: words.InPath,
    *,
    offset: Annotated[int, fastapi.Query(ge=0, lt=2**63)] = 0,
    wait: Annotated[int, fastapi.Query(ge=0, le=_LONGEST_WAIT)] = 0,
) -> responses.Response:
    """From `offset` on. `wait`: so many seconds for bytes or the end, if there are none yet."""
    chosen = parts.of(request)
    async with asks.reading() as ask:
        run = await ask.run(run_id)
    if run["operation"] in output.SERVING and chosen.sandboxes:
        found = await output.part(
            asks.one_by_one, chosen.sandboxes, run, offset, wait=wait, storage=await asks.storage()
        )
        state = run["state"]
    else:
        state, found = await _recorded(asks, chosen, run["run_id"], offset, wait)
        if found.ended:
            found = await output.kept(asks.one_by_one, await asks.storage(), run["run_id"], offset)
    headers = {
        "X-Log-Offset": str(offset),
        "X-Log-Next": str(found.next),
        "X-Log-Ended": "true" if found.ended else "false",
        "X-Run-State": state,
    }
    return responses.Response(found.data, headers=headers, media_type=_BYTES)


async def _recorded(
    asks: asking.Asking, chosen: parts.Parts, run_id: str, offset: int, wait: int
) -> tuple[str, ports.LogPart]:
    """State and output, as soon as there is some, the run has ended, or the time is over."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + wait
    with chosen.hub.subscribe(notify.CHANGED, notify.LOGS) as mine:
        while True:
            async with asks.reading() as ask:
                state, data = await _look(ask, run_id, offset)
            ended = not model.ExecutionState(state).open
            left = give_up - loop.time()
            if data or ended or left <= 0 or chosen.hub.closing:
                return state, ports.LogPart(data, offset + len(data), ended and not data)
            await mine.changed(left)


async def _look(ask: reads.Reads, run_id: str, offset: int) -> tuple[str, bytes]:
    """The state first: what was printed before the end is recorded before the end."""
    run = await ask.run(run_id)
    return str(run["state"]), await ask.log(run_id, offset)
