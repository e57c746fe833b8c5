"""The OpenAI API in front of ModelDeployments: an alias is the model. Errors have what its clients read (console/problems)."""

import contextlib
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import fastapi
from starlette import responses

from workbenchx import errors
from workbenchx.console import parts, problems, streams, wire
from workbenchx.console.auth import asking
from workbenchx.engine.answering import gateway

router = fastapi.APIRouter(prefix="/v1", tags=["models"])
_DONE = b"data: [DONE]\n\n"
_PROJECT = "x-wbx-project"
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "As the OpenAI API has it; `model` is an alias, or PROJECT/ALIAS.",
        "content": {"application/json": {"schema": {"type": "object", "required": ["model"]}}},
    }
}


@router.post(
    "/chat/completions",
    summary="Ask a model, whole or in pieces",
    openapi_extra=_BODY,
    response_class=responses.JSONResponse,
)
async def chat(request: fastapi.Request, asks: asking.Asks) -> responses.Response:
    """`stream: true` answers in server-sent events. Header X-Wbx-Run: the run that it is recorded as."""
    question = await _question(request, asks, "messages")
    if question.body.get("stream") is True:
        return await _streamed(request, asks, question)
    _, found = await of(request).chat(question)
    return _answered(question, found)


@router.post(
    "/embeddings",
    summary="Vectors of texts",
    openapi_extra=_BODY,
    response_class=responses.JSONResponse,
)
async def embeddings(request: fastapi.Request, asks: asking.Asks) -> responses.Response:
    """As the OpenAI API has it."""
    question = await _question(request, asks, "input")
    _, found = await of(request).embed(question)
    return _answered(question, found)


@router.get("/models", summary="The aliases that are served to the caller")
async def models(request: fastapi.Request, asks: asking.Asks) -> responses.JSONResponse:
    """An alias that two projects have is listed as PROJECT/ALIAS."""
    found = await of(request).models(asks.claims)
    names = [each.alias for each in found]
    items = [
        {
            "id": each.alias if names.count(each.alias) == 1 else f"{each.project}/{each.alias}",
            "object": "model",
            "created": 0,
            "owned_by": each.project,
        }
        for each in found
    ]
    return responses.JSONResponse({"object": "list", "data": items})


def of(request: fastapi.Request) -> gateway.Gateway:
    """The gateway of this process.

    Raises:
        problems.Problem: 501: it has none.
    """
    found = parts.of(request).gateway
    if found is None:
        raise problems.Problem(
            501,
            "models: this console has no gateway, which needs the engine's login; wbx gateway (in a cluster the Service wbx-gateway) serves /v1 and /api/ai",
            reason="NotAvailable",
        )
    return found


async def document(request: fastapi.Request) -> dict[str, Any]:
    """The body, which is an object; its fields are the provider's to judge.

    Raises:
        problems.Problem: 422.
    """
    try:
        found = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise problems.Problem(422, "body: it is not JSON") from error
    if not isinstance(found, dict):
        raise problems.Problem(422, "body: it is not an object")
    return found


async def _question(request: fastapi.Request, asks: asking.Asking, must: str) -> gateway.Question:
    of(request)
    body = await document(request)
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise problems.Problem(422, "model: it must be the name of an alias")
    if not body.get(must):
        raise problems.Problem(422, f"{must}: it is missing, or empty")
    return gateway.Question(asks.claims, model, body, request.headers.get(_PROJECT))


def _answered(question: gateway.Question, found: Mapping[str, Any]) -> responses.Response:
    return responses.Response(
        wire.encode({**found, "model": question.model}),
        headers={"X-Wbx-Run": question.run_id},
        media_type=wire.JSON,
    )


async def _streamed(
    request: fastapi.Request, asks: asking.Asking, question: gateway.Question
) -> responses.Response:
    """The place is taken before the model is asked; the answer begins with its first piece."""
    chosen = parts.of(request)
    with contextlib.ExitStack() as stack:
        places: streams.Places = request.app.state.answers
        stack.enter_context(places.taken(chosen, str(asks.claims["sub"])))
        found = await of(request).stream(question)
        options = question.body.get("stream_options")
        counted = isinstance(options, Mapping) and options.get("include_usage") is True
        events = _events(found, counted=counted)
        stack.callback(found.answer.settle, *gateway.LEFT)
        return streams.EventStream(events, stack.pop_all(), {"X-Wbx-Run": question.run_id})


async def _events(found: gateway.Streamed, *, counted: bool) -> AsyncGenerator[bytes, None]:
    """The provider's own pieces; its count only for who asked for it. An error in the middle is the last event."""
    pieces = found.answer.pieces(found.first)
    try:
        async for piece in pieces:
            if piece.data["choices"] or counted:
                yield b"data: " + piece.text + b"\n\n"
    except errors.WorkbenchError as error:
        told = problems.as_models(problems.of(error))
        yield b"data: " + wire.encode(told) + b"\n\n"
    finally:
        await pieces.aclose()
    yield _DONE
