"""What FixBot proposes, as pages for people: plain HTML, as the caller may see it, and nothing in it that a document could turn into markup."""

import html
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

import fastapi
from starlette import responses

from workbenchx import errors
from workbenchx.console import paging
from workbenchx.console.auth import asking

router = fastapi.APIRouter(include_in_schema=False)
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title} · WorkbenchX</title>
<h1>{title}</h1>
{body}
</html>
"""
_WEB = ("https://", "http://")
_WORDS = {"handed_over": "handed over"}
_MOST = 100


async def _few(cursor: paging.Cursor = None) -> paging.Window:
    return paging.Window(_MOST, cursor)


@router.get("/fixes")
async def fixes(
    asks: asking.Asks, window: Annotated[paging.Window, fastapi.Depends(_few)]
) -> responses.Response:
    """The latest first."""
    after = window.after(paging.moment, paging.identity)
    async with asks.reading() as ask:
        rows = await ask.proposals(after=after, limit=window.limit + 1)
    page = window.page(rows, lambda row: (row["created_at"], row["id"]))
    if not page["items"]:
        return _answer("Fixes", "<p>FixBot proposes nothing here.</p>")
    head = ("state", "what", "project", "pull request", "snoozed until", "since")
    more = f'<p><a href="/fixes?cursor={page["next"]}">Older ones</a></p>' if page["next"] else ""
    return _answer("Fixes", _table(head, map(_row, page["items"])) + more)


@router.get("/fixes/{proposal_id}")
async def fix(asks: asking.Asks, proposal_id: uuid.UUID) -> responses.Response:
    """One of them: why, and what would change."""
    try:
        async with asks.reading() as ask:
            row = await ask.proposal(str(proposal_id))
    except errors.Stalled as problem:
        if problem.reason != "NotFound":
            raise
        return _answer("Fixes", f"<p>{html.escape(problem.message)}</p>", 404)
    return _answer(str(row["title"]), "\n".join(_detail(row)))


def _detail(row: Mapping[str, Any]) -> Iterator[str]:
    _, _, project, pull, until, since = _row(row)
    yield _table(
        ("state", "project", "pull request", "snoozed until", "since", "branch"),
        [(_state(row), project, pull, until, since, html.escape(str(row["branch"])))],
    )
    found = [each for each in row["document"].get("findings") or () if isinstance(each, Mapping)]
    yield "<h2>What is wrong</h2>"
    head = ("what", "field", "is", "would be right", "why", "runs")
    yield _table(head, map(_finding, found))
    if row["document"].get("patch"):
        yield "<h2>What would change</h2>"
        yield f"<pre>{html.escape(str(row['document']['patch']))}</pre>"
    if row["state"] == "open":
        yield f"<p>To be quiet about it: <code>wbx fix --snooze {html.escape(row['id'])}</code></p>"
    yield '<p><a href="/fixes">All</a></p>'


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    until = row["snoozed_until"] if row["state"] == "snoozed" else None
    return (
        _state(row),
        f'<a href="/fixes/{html.escape(row["id"])}">{html.escape(str(row["title"]))}</a>',
        html.escape(row["project"] or "(platform)"),
        _link(row["url"]),
        f"{until:%Y-%m-%d %H:%M}Z" if until else "",
        f"{row['created_at']:%Y-%m-%d %H:%M}Z",
    )


def _state(row: Mapping[str, Any]) -> str:
    return html.escape(_WORDS.get(row["state"], row["state"]))


def _link(url: str | None) -> str:
    """To a forge; what is no address of the web is shown and leads nowhere."""
    told = html.escape(url or "")
    return f'<a href="{told}" rel="noreferrer">{told}</a>' if told.startswith(_WEB) else told


def _finding(found: Mapping[str, Any]) -> tuple[str, ...]:
    name = f"{found.get('kind')}/{found.get('name')}"
    why = f"{found.get('cause') or ''} {found.get('remedy') or ''}"
    runs = ", ".join(map(str, found.get("runs") or ()))
    values = (json.dumps(found.get(side), ensure_ascii=False) for side in ("observed", "desired"))
    return tuple(map(html.escape, (name, str(found.get("field") or ""), *values, why, runs)))


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Cells are markup already."""
    lines = [f"<tr>{''.join(f'<th>{name}</th>' for name in head)}</tr>"]
    lines += [f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows]
    return f"<table>\n{chr(10).join(lines)}\n</table>"


def _answer(title: str, body: str, status: int = 200) -> responses.Response:
    return responses.HTMLResponse(_PAGE.format(title=html.escape(title), body=body), status)
