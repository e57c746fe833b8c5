"""Lists that are kept: one is made by whoever asks first, and sent to all of the same standing until something changes."""

from collections.abc import Awaitable, Callable

import fastapi
from starlette import responses

from workbenchx.console import kept, moments, parts, wire
from workbenchx.console.auth import asking
from workbenchx.store import reads

_GZIP = "gzip"
# Below this, what is saved on the wire is less than what packing costs.
_LEAST_TO_PACK = 1024
Make = Callable[[reads.Reads], Awaitable[bytes]]


async def answer(request: fastapi.Request, asks: asking.Asking, make: Make) -> responses.Response:
    """The list; `make` reads and encodes it if nobody else did since the last change."""
    answers = of(request)
    caller, asked = kept.caller(asks.claims), letters(request)

    async def made() -> kept.Answer:
        async with asks.one_moment() as ask:
            version, standing = await ask.standing()
            found = kept.answer(version, standing, await make(ask))
        answers.stands(caller, version, standing)
        answers.put(asked, found)
        return found

    version = await now(request)
    standing = answers.standing(caller, version)
    if standing is None:
        async with asks.one_moment() as ask:
            version, standing = await ask.standing()
        answers.stands(caller, version, standing)
    found = answers.get(standing, asked, version)
    parts.of(request).meters.kept.labels("true" if found else "made").inc()
    if found is None:
        found, own = await answers.flights.join((standing, asked, version), made)
        # What another made is ours only if nothing came between: a membership may have begun or ended.
        if found is None or not (own or (found.standing, found.version) == (standing, version)):
            found = await made()
    return await respond(request, found)


async def look(request: fastapi.Request, caller: bytes) -> kept.Answer | None:
    """What was kept of that, if it is still true for this caller."""
    answers = of(request)
    version = await now(request)
    standing = answers.standing(caller, version)
    return None if standing is None else answers.get(standing, letters(request), version)


async def respond(request: fastapi.Request, found: kept.Answer) -> responses.Response:
    """The answer on the wire: packed for who takes that, and nothing for who has it."""
    headers = {"ETag": found.etag, "Vary": "Accept-Encoding"}
    if wire.has(request, found.etag):
        return responses.Response(status_code=304, headers=headers)
    body = found.body
    if len(body) >= _LEAST_TO_PACK and _takes(request.headers.get("accept-encoding", ""), _GZIP):
        body, headers["Content-Encoding"] = await found.pack(), _GZIP
    return responses.Response(body, headers=headers, media_type=wire.JSON)


def of(request: fastapi.Request) -> kept.Answers:
    """What the application keeps."""
    found: kept.Answers = request.app.state.kept
    return found


async def now(request: fastapi.Request) -> str:
    """The database's version now."""
    known: moments.Moments = request.app.state.moments
    return await known.now()


def letters(request: fastapi.Request) -> bytes:
    """What is asked, letter by letter."""
    path, query = str(request.scope["path"]), bytes(request.scope["query_string"])
    return path.encode() + b"?" + query


def _takes(said: str, coding: str) -> bool:
    """Whether Accept-Encoding names the coding and does not refuse it."""
    for each in said.split(","):
        name, _, weight = each.partition(";")
        if name.strip().lower() == coding:
            return weight.replace(" ", "").lower() not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
