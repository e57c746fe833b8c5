"""Resources: what lives, one with its details, what was, and what is declared."""

import datetime
from typing import Annotated, Any

import fastapi
import pydantic
from starlette import responses

from workbenchx.console import keeping, paging, problems, wire, words
from workbenchx.console.auth import asking
from workbenchx.planner import model
from workbenchx.store import reads

router = fastapi.APIRouter(prefix="/api/v1", tags=["resources"])
_KEY = (paging.text, paging.text, paging.text)
_LAST = "\U0010ffff"


class Resource(words.Key):
    """One living resource."""

    uid: str
    project: str | None
    state: str
    ready: bool
    reason: str
    message: str
    last_run_id: str | None
    external_id: str | None
    provider: str | None
    parent: str | None
    cost: words.Money
    generation: int
    declared_hash: str
    owned: bool
    source: str
    source_repo: str | None
    source_commit: str | None
    source_path: str | None
    source_line: int | None
    facts: words.Document
    created_at: datetime.datetime
    updated_at: datetime.datetime
    deleted_at: datetime.datetime | None


class Detail(Resource):
    """One resource with what a list leaves out."""

    spec: words.Document
    conditions: list[words.Document]
    parameters: words.Document | None
    metrics: words.Document | None
    problem: str | None
    declared_spec: words.Document | None
    declared_now: str | None


class Node(words.Key):
    """One living resource of the tree; `parent` is the Experiment of a matrix run."""

    project: str | None
    parent: str | None
    state: str
    ready: bool
    reason: str
    message: str


class Tree(pydantic.BaseModel):
    """All that lives, by kind, namespace and name."""

    items: list[Node]


class Past(words.Key):
    """A resource as it was recorded at a time; `run_id` is the run that made it so."""

    uid: str
    project: str | None
    state: str
    ready: bool
    reason: str
    external_id: str | None
    generation: int
    declared_hash: str
    revision: str | None
    commit: str | None
    run_id: str | None
    spec: words.Document | None
    valid_from: datetime.datetime
    valid_until: datetime.datetime | None
    created_at: datetime.datetime
    parent: str | None
    cost: words.Money
    declared_spec: words.Document | None
    problem: str | None
    source_path: str | None
    source_line: int | None


class Moment(pydantic.BaseModel):
    """The time that somebody means."""

    at: datetime.datetime


class Fields(pydantic.BaseModel):
    """The three sides of a resource; null: not there."""

    declared: words.Document | None
    recorded: words.Document | None
    observed: words.Document | None


class Change(pydantic.BaseModel):
    """What was true of a resource from `valid_from` until `valid_until` (null: until now)."""

    id: int
    uid: str
    name: str
    action: str
    declared_hash: str
    generation: int
    state: str
    ready: bool
    reason: str
    external_id: str | None
    revision: str | None
    commit: str | None
    run_id: str | None
    deleted: bool
    valid_from: datetime.datetime
    valid_until: datetime.datetime | None
    spec: words.Document | None


class Declared(words.Key):
    """One declared identity and its spec."""

    spec: words.Document


class Invalid(words.Key):
    """A document that is invalid as it stands; `good`: an earlier version is in force."""

    project: str | None
    source: str
    path: str | None
    line: int | None
    problem: str
    good: bool


@router.get(
    "/resources", response_model=paging.Page[Resource] | paging.Page[Past], summary="What lives"
)
async def resources(
    request: fastapi.Request,
    asks: asking.Asks,
    window: paging.Asked,
    *,
    kind: words.Asked = None,
    namespace: words.Asked = None,
    name: words.Asked = None,
    project: words.Asked = None,
    at: Annotated[pydantic.AwareDatetime | None, fastapi.Query()] = None,
) -> responses.Response:
    """By kind, namespace and name. With `at` what lived then, as it was recorded then."""
    wanted: dict[str, Any] = {
        "kind": kind,
        "namespace": namespace,
        "name": name,
        "project": project,
    }
    window.place(wanted, window.after(*_KEY))
    if at is not None:
        async with asks.reading() as ask:
            rows = await ask.resources_at(at, **wanted)
        return wire.answer(request, window.page(rows, key))

    async def make(ask: reads.Reads) -> bytes:
        return wire.encode(window.page(await ask.resources(**wanted), key))

    return await keeping.answer(request, asks, make)


@router.get("/tree", response_model=Tree, summary="All that lives")
async def tree(
    request: fastapi.Request, asks: asking.Asks, project: words.Asked = None
) -> responses.Response:
    """In one document, with what a tree shows; the list has the rest, a page at a time."""

    async def make(ask: reads.Reads) -> bytes:
        return (await ask.tree_document(project)).encode()

    return await keeping.answer(request, asks, make)


@router.get("/moment", response_model=Moment, summary="The time that somebody means")
async def moment(
    request: fastapi.Request, asks: asking.Asks, said: Annotated[words.Text, fastapi.Query()]
) -> responses.Response:
    """A time with its zone, an age such as `2h`, or the beginning of a commit: the last moment at which it was current."""
    async with asks.reading() as ask:
        at = await ask.moment(said)
    return wire.answer(request, {"at": at})


@router.get("/resources/{uid}", response_model=Detail, summary="One resource")
async def resource(
    request: fastapi.Request, asks: asking.Asks, uid: words.InPath
) -> responses.Response:
    """By its identity, which survives a rename."""
    wanted = identity(uid)
    async with asks.reading() as ask:
        row = await ask.resource_by_uid(wanted)
    return wire.answer(request, row)


@router.get("/resources/{uid}/fields", response_model=Fields, summary="Its three sides")
async def fields(
    request: fastapi.Request, asks: asking.Asks, uid: words.InPath
) -> responses.Response:
    """What the files say, what is recorded, and the owned fields that the provider showed."""
    wanted = identity(uid)
    async with asks.reading() as ask:
        row = await ask.resource_by_uid(wanted)
        found = await ask.fields(model.Key(*key(row)))
    return wire.answer(request, found)


@router.get("/history", response_model=paging.Page[Change], summary="What was true when")
async def history(
    request: fastapi.Request,
    asks: asking.Asks,
    window: paging.Asked,
    *,
    kind: Annotated[words.Name, fastapi.Query()],
    name: Annotated[words.Name, fastapi.Query()],
    namespace: words.Asked = None,
) -> responses.Response:
    """The latest first; also of what no longer lives."""
    key = model.Key(kind, namespace or "", name)
    after = window.after(paging.moment, paging.number)
    async with asks.reading() as ask:
        rows = await ask.history(key, after=after, limit=window.limit + 1)
    return wire.answer(request, window.page(rows, lambda row: (row["valid_from"], row["id"])))


@router.get("/declared", response_model=paging.Page[Declared], summary="What the files say")
async def declared(
    request: fastapi.Request,
    asks: asking.Asks,
    window: paging.Asked,
    outside: words.Asked = None,
) -> responses.Response:
    """Every declared identity; with `outside`, those that are not declared under that path."""
    after = window.after(*_KEY)
    async with asks.reading() as ask:
        rows = await ask.declared(outside=outside, after=after, limit=window.limit + 1)
    return wire.answer(request, window.page(rows, key))


@router.get(
    "/declared/problems", response_model=paging.Page[Invalid], summary="What is wrong with them"
)
async def declared_problems(
    request: fastapi.Request, asks: asking.Asks, window: paging.Asked
) -> responses.Response:
    """By file and line."""
    after = window.after(paging.text, paging.number, *_KEY)
    async with asks.reading() as ask:
        rows = await ask.declared_problems(after=after, limit=window.limit + 1)
    return wire.answer(request, window.page(rows, _place))


def key(row: dict[str, Any]) -> tuple[str, str, str]:
    """The place of a row in a list by kind and name."""
    return row["kind"], row["namespace"], row["name"]


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    path = _LAST if row["path"] is None else row["path"]
    return path, row["line"] or 0, row["kind"], row["namespace"], row["name"]


def identity(word: str) -> str:
    """A uuid as the database writes it.

    Raises:
        problems.Problem: 404: nothing has such an identity.
    """
    try:
        return str(paging.identity(word))
    except ValueError:
        raise problems.Problem(404, f'resource: "{word}" is not known') from None
