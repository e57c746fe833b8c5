"""Answers what is kept before a route is looked for: a list that nobody changed costs its bytes, not its making.

Only what a route has answered before can be found here. Whatever is unclear (no token, a bad one, too many requests,
nothing kept) is left to the route, which says so.
"""

import dataclasses

import fastapi
from starlette import types

from workbenchx import errors
from workbenchx.console import keeping, kept, parts, problems
from workbenchx.console.auth import asking

PATHS = frozenset({"/api/v1/resources", "/api/v1/tree"})


@dataclasses.dataclass(frozen=True, slots=True)
class _Route:
    """What names a request to the meters and the trace."""

    path: str


class Shortcut:
    """Wraps the application."""

    def __init__(self, app: types.ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        """One request."""
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in PATHS:
            request = fastapi.Request(scope)
            found = await _kept(request)
            if found is not None:
                scope["route"] = _Route(scope["path"])
                parts.of(request).meters.kept.labels("true").inc()
                answer = await keeping.respond(request, found)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def _kept(request: fastapi.Request) -> kept.Answer | None:
    token = asking.presented(request)
    if not token:
        return None
    try:
        claims = await parts.of(request).verifier.verify(token)
        found = await keeping.look(request, kept.caller(claims))
        if found is not None:
            request.app.state.callers.take(str(claims["sub"]))
    except (problems.Problem, errors.WorkbenchError):
        return None
    return found
