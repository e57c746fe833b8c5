"""The plain pages there are so far: the one-time link's, the front door, and a plan that a check links to."""

import html
from urllib import parse

import fastapi
from starlette import responses

from workbenchx.console import problems, words
from workbenchx.console.auth import asking
from workbenchx.console.routes import session
from workbenchx.planner.render import parse as parsing
from workbenchx.planner.render import text

router = fastapi.APIRouter(include_in_schema=False)
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>WorkbenchX</title>
<h1>WorkbenchX</h1>
<p>{told}</p>
</html>
"""


_PLAN = _PAGE.replace("<p>{told}</p>", "<pre>{told}</pre>")
_ONWARD = _PAGE.replace(
    "<p>{told}</p>",
    '<meta http-equiv="refresh" content="0; url={where}">\n<p><a href="{where}">The whole plan</a></p>',
)


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
        "You are signed in. What FixBot proposes is at /fixes. The API is at /api/v1; its description is at /api/v1/openapi.json."
        if known
        else "Nobody is signed in here. wbx console prints a link that signs you in.",
        200,
    )


@router.get("/plans/{plan_id}")
async def plan(plan_id: words.InPath) -> responses.Response:
    """Where the link of a check leads. It asks nothing: a browser that comes from a forge sends no session yet."""
    return responses.HTMLResponse(
        _ONWARD.format(where=f"/plans/{parse.quote(plan_id, safe='')}/steps")
    )


@router.get("/plans/{plan_id}/steps")
async def steps(asks: asking.Asks, plan_id: words.InPath) -> responses.Response:
    """A kept plan by the beginning of its id, as the caller may see it, in the words of `wbx plan`."""
    async with asks.reading() as ask:
        rows = await ask.my_plans(plan_id, limit=1)
    if not rows:
        return _page(f'plan: "{plan_id}" is not known, or it is older than 90 days.', 404)
    told = text.render(parsing.plan(rows[0]["document"]))
    return responses.HTMLResponse(_PLAN.format(told=html.escape(told)))


def _page(told: str, status: int) -> responses.Response:
    return responses.HTMLResponse(_PAGE.format(told=html.escape(told)), status)
