"""The application, put together. Nothing happens at import; what it needs is opened and closed with its life."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import fastapi
from starlette.middleware import cors

import workbenchx
from workbenchx.console import (
    describing,
    edge,
    kept,
    limits,
    moments,
    parts,
    problems,
    shortcut,
    streams,
)
from workbenchx.console.chat import keeping
from workbenchx.console.routes import catalog

# The framework's own spans hold query strings, and a one-time code is in one; `tracing` makes the span of a request.
_OURS_ALONE: Any = {"tracing": False, "metrics": False, "logs": False}
_ORIGIN_HEADERS = (
    "Authorization",
    "Content-Type",
    "If-None-Match",
    "Last-Event-ID",
    "Traceparent",
    "X-Wbx-Project",
)
_QUESTIONS = ("/v1/chat/completions", "/v1/embeddings", "/api/ai/stream")
_WEBHOOKS = ("/webhooks/github", "/webhooks/gitea")
_SHOWN_HEADERS = ("ETag", "Retry-After", "X-Log-Offset", "X-Log-Next", "X-Run-State", "X-Wbx-Run")


def create(chosen: parts.Parts) -> fastapi.FastAPI:
    """The application over these parts. Whoever made them closes them."""

    @contextlib.asynccontextmanager
    async def lifespan(_: fastapi.FastAPI) -> AsyncIterator[None]:
        async with (
            chosen.hub.running(),
            contextlib.aclosing(app.state.moments),
            contextlib.aclosing(app.state.kept_answers),
        ):
            yield

    app = fastapi.FastAPI(
        title=describing.TITLE,
        version=workbenchx.__version__,
        summary=describing.SUMMARY,
        lifespan=lifespan,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_OURS_ALONE,
    )
    app.state.parts = chosen
    app.state.callers = limits.Buckets(chosen.bounds.caller, "caller")
    # Planning is arithmetic on one processor: more than one at once would only make all of them late.
    app.state.planning = asyncio.Semaphore(1)
    app.state.kept = kept.Answers()
    app.state.moments = moments.Moments(chosen.callers.moment)
    app.state.places = streams.Places()
    app.state.kept_answers = keeping.Shelf()
    app.state.answers = streams.Places(chosen.bounds.answers, chosen.bounds.answers_each)
    app.state.strangers = limits.Buckets(chosen.bounds.stranger, "sign-in")
    describing.add_routes(app, catalog.MODELS if chosen.alone else catalog.ROUTERS)
    problems.install(app)
    _wrap(app, chosen)
    return app


def _wrap(app: fastapi.FastAPI, chosen: parts.Parts) -> None:
    """The layers around the routes; the last one added is the outermost."""
    app.add_middleware(shortcut.Shortcut)
    if chosen.origins:
        app.add_middleware(
            cors.CORSMiddleware,
            allow_origins=chosen.origins,
            allow_methods=("GET", "POST"),
            allow_headers=_ORIGIN_HEADERS,
            expose_headers=_SHOWN_HEADERS,
            allow_credentials=False,
            max_age=600,
        )
    bounds = chosen.bounds
    asked = dict.fromkeys(_QUESTIONS, bounds.question_body)
    told = dict.fromkeys(_WEBHOOKS, bounds.webhook_body)
    rules = edge.Rules(
        bounds,
        chosen.hosts,
        large={"/api/v1/plans": bounds.plan_body, **asked, **told},
        slow=dict.fromkeys(_QUESTIONS, bounds.answer_seconds),
    )
    app.add_middleware(edge.Edge, rules=rules, meters=chosen.meters)
