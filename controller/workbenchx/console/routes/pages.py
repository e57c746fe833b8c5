"""The two plain pages there are so far: the one-time link's, and the front door."""

import html

import fastapi
from starlette import responses

from workbenchx.console import problems
from workbenchx.console.auth import asking
from workbenchx.console.routes import session

router = fastapi.APIRouter(include_in_schema=False)
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>WorkbenchX</title>
<h1>WorkbenchX</h1>
<p>{told}</p>
</html>
"""


@router.get("/login")
async def login(request: fastapi.Request, code: session.Given = "") -> responses.Response:
    """The link that wbx console prints: its code buys a session, once."""
    try:
        made = session.redeemed(request, code)
    except problems.Problem as problem:
        return _page(problem.detail, problem.status)
    answer = responses.RedirectResponse("/", status_code=303)
    session.set_cookies(request, answer, made)
    return answer


@router.get("/")
async def front(request: fastapi.Request) -> responses.Response:
    """What there is, for people; asks nothing of the database."""
    known = asking.COOKIE in request.cookies
    return _page(
        "You are signed in. The API is at /api/v1; its description is at /api/v1/openapi.json."
        if known
        else "Nobody is signed in here. wbx console prints a link that signs you in.",
        200,
    )


def _page(told: str, status: int) -> responses.Response:
    return responses.HTMLResponse(_PAGE.format(told=html.escape(told)), status)
