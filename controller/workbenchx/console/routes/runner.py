"""For runners alone: each shows the token of its one run, and gets at nothing else (decision 111)."""

import hashlib
from typing import Annotated, Any, Literal

import fastapi
import pydantic
from fastapi import security
from starlette import responses

from workbenchx import errors
from workbenchx.console import parts, problems, wire, words
from workbenchx.console.auth import asking
from workbenchx.providers.sandbox.do_runner import kit
from workbenchx.store import runners

router = fastapi.APIRouter(prefix="/api/v1/runner", tags=["runner"])
_token = security.HTTPBearer(
    auto_error=False,
    scheme_name="RunnerToken",
    bearerFormat="opaque",
    description="The token of one run, which its machine was given.",
)
_Given = Annotated[security.HTTPAuthorizationCredentials | None, fastapi.Depends(_token)]
Machine = Annotated[str, pydantic.Field(pattern=r"^[0-9A-Za-z-]{1,100}$")]
_BYTES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The bytes",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class _Said(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")

    machine: Machine


class Claim(_Said):
    """A machine takes its run. `certificate`: for whom the environment of the command is sealed."""

    certificate: Annotated[str, pydantic.Field(min_length=1, max_length=8192)]


class Heartbeat(_Said):
    """A sign of life, and how far it is. `idle_since`: since when nobody uses a session, in seconds since 1970."""

    says: Literal["claimed", "staged", "running"]
    idle_since: Annotated[float, pydantic.Field(ge=0, lt=1e11)] | None = None


class Wish(_Said):
    """A declared output that is to be uploaded. `proof`: that the machine has it, once a challenge was answered."""

    path: Annotated[str, pydantic.Field(min_length=1, max_length=1024)]
    sha256: Annotated[str, pydantic.Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, pydantic.Field(ge=0, lt=1 << 50)]
    proof: Annotated[str, pydantic.Field(pattern=r"^[0-9a-f]{64}$")] | None = None


class Answer(_Said):
    """How that ended which was asked under a key."""

    key: Annotated[str, pydantic.Field(min_length=1, max_length=100)]
    answer: words.Document


class Finish(_Said):
    """How it ended, and which of its wishes were uploaded."""

    report: words.Document
    paths: Annotated[list[str], pydantic.Field(max_length=1000)]


class Orders(pydantic.BaseModel):
    """What the runner is to do. `sealed`: the environment of the command, once the start is ordered.

    `pull`: how to sign in to the registry, sealed too. `requests`: what is asked beside the run and has no answer yet.
    """

    state: str
    start: bool
    sealed: str | None
    stop: str | None
    deadline: float | None
    output_end: int
    pull: str | None = None
    requests: list[words.Document] = pydantic.Field(default_factory=list)


class Work(Orders):
    """The orders, and what there is to do."""

    name: str
    work: words.Document


class Next(pydantic.BaseModel):
    """The byte at which the next output is to begin."""

    next: int


class Signed(pydantic.BaseModel):
    """Where to PUT the bytes with exactly these headers; null: ask again in a moment.

    `stored`: such bytes are there already. `challenge`: the proof is an HMAC-SHA256 of the bytes under it.
    """

    url: str | None = None
    headers: dict[str, str] = pydantic.Field(default_factory=dict)
    stored: bool = False
    challenge: str | None = None


class Ended(pydantic.BaseModel):
    """It is recorded; once it has ended, the machine is going to be destroyed."""

    state: str


@router.post("/claim", response_model=Work, summary="Take the run")
async def claim(request: fastapi.Request, given: _Given, said: Claim) -> responses.Response:
    """Once: for the boot of one machine, which may ask again."""
    return await _answered(request, given, said.machine, "claim", said.certificate)


@router.post("/heartbeat", response_model=Orders, summary="Sign of life")
async def heartbeat(request: fastapi.Request, given: _Given, said: Heartbeat) -> responses.Response:
    """The answer is what to do."""
    if "idle_since" in said.model_fields_set:
        return await _answered(request, given, said.machine, "used", said.says, said.idle_since)
    return await _answered(request, given, said.machine, "heartbeat", said.says)


@router.post("/logs", response_model=Next, summary="Output of the command")
async def logs(
    request: fastapi.Request,
    given: _Given,
    machine: Annotated[Machine, fastapi.Query()],
    at: Annotated[int, fastapi.Query(ge=0, lt=1 << 50)],
) -> responses.Response:
    """The body is the bytes from `at` on. What is there already is not taken twice."""
    data = await request.body()
    found = await _called(request, given, machine, "logs", at, data)
    return responses.Response(wire.encode({"next": found}), media_type=wire.JSON)


@router.post("/upload", response_model=Signed, summary="A signed upload of an output")
async def upload(request: fastapi.Request, given: _Given, said: Wish) -> responses.Response:
    """Signed by a worker, who has the credentials of the storage; this server has none to give.

    Asked again with a proof, once it is there: without one nobody reads it.
    """
    wish = (said.path, said.sha256, said.bytes)
    found = await _called(request, given, said.machine, "upload", *wish)
    if said.proof is not None:
        found = await _called(request, given, said.machine, "prove", said.path, said.proof)
    return responses.Response(wire.encode(found or {"url": None}), media_type=wire.JSON)


@router.post("/answer", response_model=Ended, summary="An answer to a request")
async def answer(request: fastapi.Request, given: _Given, said: Answer) -> responses.Response:
    """Once for a key: a command beside the program ended, or the files of a session were uploaded."""
    return await _answered(request, given, said.machine, "answer", said.key, said.answer)


@router.post("/finish", response_model=Ended, summary="The end")
async def finish(request: fastapi.Request, given: _Given, said: Finish) -> responses.Response:
    """Asks to be destroyed: a worker destroys the machine."""
    return await _answered(request, given, said.machine, "finish", said.report, said.paths)


@router.get(
    "/dist/{sha256}",
    response_class=responses.Response,
    responses=_BYTES,
    summary="A part of the runner's program",
)
async def dist(
    sha256: Annotated[str, fastapi.Path(pattern=r"^[0-9a-f]{64}$")],
) -> responses.Response:
    """Public: it is the program that everybody has. By the sha256 that stands in the machine's user data."""
    found = kit.part(sha256)
    if found is None:
        raise problems.Problem(
            404, "runner: this release has no such part; console and workers are of one release"
        )
    return responses.Response(found, media_type="application/octet-stream")


async def _answered(
    request: fastapi.Request, given: _Given, machine: str, verb: str, *args: Any
) -> responses.Response:
    found = await _called(request, given, machine, verb, *args)
    return responses.Response(wire.encode(found), media_type=wire.JSON)


async def _called(
    request: fastapi.Request, given: _Given, machine: str, verb: str, *args: Any
) -> Any:
    """One function of the database, with the token; whoever guesses is slowed down as strangers are."""
    if given is None:
        asking.strangers(request).take(asking.address(request))
        raise problems.Problem(401, "runner: the token of a run is missing")
    token = given.credentials
    request.app.state.callers.take(f"runner {hashlib.sha256(token.encode()).hexdigest()}")
    called = runners.Called(parts.of(request).callers, token, machine)
    try:
        return await getattr(called, verb)(*args)
    except errors.Stalled as problem:
        if problem.reason == "Forbidden":
            asking.strangers(request).take(asking.address(request))
        raise
