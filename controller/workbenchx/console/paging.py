"""Lists a page at a time: the place of the last row is the cursor, so that a list keeps its order while it changes."""

import base64
import binascii
import datetime
import json
import uuid
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import fastapi
import pydantic

from workbenchx.console import problems

_T = TypeVar("_T")
DEFAULT, MOST = 100, 1000
_MOST_CURSOR = 2048
_MOST_TEXT = 1024
Form = Callable[[str], Any]


class Page(pydantic.BaseModel, Generic[_T]):
    """One page of a list; `next` goes into `?cursor=` and is null at the end."""

    items: list[_T]
    next: str | None = None


Cursor = Annotated[
    str | None, fastapi.Query(max_length=_MOST_CURSOR, description="`next` of the page before.")
]


class Window:
    """Which page was asked for."""

    def __init__(self, limit: int, cursor: str | None) -> None:
        self.limit = limit
        self.cursor = cursor

    def after(self, *forms: Form) -> list[str] | None:
        """The place behind which the page begins; each part is checked by its form.

        Raises:
            problems.Problem: 422: it is no cursor of this list.
        """
        if self.cursor is None:
            return None
        try:
            parts = list(json.loads(base64.urlsafe_b64decode(self.cursor.encode("ascii"))))
            for form, part in zip(forms, parts, strict=True):
                form(part)
        except (ValueError, TypeError, binascii.Error, RecursionError) as error:
            raise problems.Problem(
                422, "cursor: it is none of this list; begin without", reason="InvalidCursor"
            ) from error
        return [str(part) for part in parts]

    def place(self, wanted: dict[str, Any], after: list[str] | None) -> None:
        """Add to what is asked for where the page begins, and one row more than it holds."""
        wanted |= {"after": after, "limit": self.limit + 1}

    def page(
        self, rows: Sequence[dict[str, Any]], place: Callable[[dict[str, Any]], Sequence[Any]]
    ) -> dict[str, Any]:
        """The page, of rows that were read with one more than its limit; `place`: a row's place in the list."""
        shown = list(rows[: self.limit])
        more = len(rows) > self.limit
        return {"items": shown, "next": cursor(place(shown[-1])) if more else None}


def cursor(place: Sequence[Any]) -> str:
    """A place as opaque text."""
    parts = [each.isoformat() if isinstance(each, datetime.datetime) else each for each in place]
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode()


def text(part: Any) -> str:
    """A part that is text.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(part, str) or len(part) > _MOST_TEXT or "\0" in part:
        raise ValueError
    part.encode()
    return part


def moment(part: Any) -> datetime.datetime:
    """A part that is a time with its zone; errors as `text`."""
    found = datetime.datetime.fromisoformat(text(part))
    if found.tzinfo is None:
        raise ValueError
    return found


def identity(part: Any) -> uuid.UUID:
    """A part that is a uuid; errors as `text`."""
    return uuid.UUID(text(part))


def number(part: Any) -> int:
    """A part that is a whole number of the size that a database counts with; errors as `text`."""
    if isinstance(part, bool) or not isinstance(part, int) or not 0 <= part < 2**63:
        raise ValueError
    return part


async def window(
    limit: Annotated[
        int, fastapi.Query(ge=1, le=MOST, description="Most rows of one page.")
    ] = DEFAULT,
    cursor: Cursor = None,
) -> Window:
    """The page that a request asks for. Async, as what is not is called in a thread for each request."""
    return Window(limit, cursor)


Asked = Annotated[Window, fastapi.Depends(window)]
