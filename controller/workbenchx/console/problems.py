"""Every error as `application/problem+json`: what happened and the way out, never a trace, a statement or a secret."""

import json
import logging
from collections.abc import Mapping
from typing import Any, cast

import fastapi
from fastapi import exceptions
from starlette import exceptions as starlette
from starlette import responses

from workbenchx import errors

MEDIA_TYPE = "application/problem+json"
MODELS = "/v1/"
_KINDS = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    501: "not_available_error",
}
_LOG = logging.getLogger(__name__)
_MOST_TOLD = 5
_TITLES = {
    400: "Bad request",
    401: "Not signed in",
    402: "Payment required",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    410: "Gone",
    413: "Too large",
    415: "Unsupported media type",
    421: "Misdirected request",
    422: "Invalid input",
    429: "Too many requests",
    500: "Internal error",
    501: "Not available here",
    503: "Unavailable for now",
    504: "Timed out",
}
_REASONS = {
    400: "BadRequest",
    401: "NotSignedIn",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    413: "TooLarge",
    415: "UnsupportedMediaType",
    422: "InvalidInput",
    429: "TooManyRequests",
    500: "InternalError",
    501: "NotAvailable",
    503: "Unavailable",
    504: "TimedOut",
}
# What a Stalled means on the wire; any other reason is the state of things standing in the way: 409.
_STATUSES = {
    "Forbidden": 403,
    "NotFound": 404,
    "RunNotFound": 404,
    "ModelMissing": 404,
    "BudgetExceeded": 402,
    "ArtifactMissing": 404,
    "ArtifactRemoved": 410,
    "PlanNotFound": 404,
    "BeforeHistory": 404,
    "CommitUnknown": 404,
    "InvalidTime": 422,
    "InFuture": 422,
    "RunAmbiguous": 409,
    "UnknownVerb": 422,
    "InvalidArgs": 422,
    "InvalidDigest": 422,
    "InvalidSpec": 422,
    "BadRequest": 400,
    "LinkRefused": 403,
    "EmbeddedOnly": 501,
    "RetrievalOff": 501,
    "NotAvailable": 501,
    "DatabaseFull": 503,
    "DatabaseNotMigrated": 503,
    "StorageUnavailable": 503,
}


class Problem(Exception):
    """An answer that is an error. `detail` is shown to whoever asked."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        reason: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.reason = reason or _REASONS.get(status, "Error")
        self.headers = dict(headers or {})


def answer(problem: Problem, more: Mapping[str, Any] | None = None) -> responses.Response:
    """The problem on the wire (RFC 9457); `more`: members for clients of another API."""
    document = {
        "type": "about:blank",
        "title": _TITLES.get(problem.status, "Error"),
        "status": problem.status,
        "detail": problem.detail,
        "reason": problem.reason,
        **(more or {}),
    }
    return responses.Response(
        json.dumps(document), problem.status, problem.headers, media_type=MEDIA_TYPE
    )


def as_models(problem: Problem) -> dict[str, Any]:
    """The same as the clients of the OpenAI API read it, who ask at MODELS."""
    kind = _KINDS.get(problem.status, "server_error")
    told = {"message": problem.detail, "type": kind, "param": None, "code": problem.reason}
    return {"error": told}


def of(error: Exception) -> Problem:
    """The problem that an error is to whoever asked. What nobody foresaw is logged here and tells nothing."""
    match error:
        case Problem():
            return error
        case errors.WorkbenchError():
            return _foreseen(error)
        case exceptions.RequestValidationError():
            return Problem(422, _invalid(error))
        case starlette.HTTPException():
            detail = error.detail if error.status_code < 500 else _TITLES[500]
            return Problem(error.status_code, str(detail), headers=error.headers)
        case TimeoutError():
            return Problem(504, "request: it took too long and was given up")
    _LOG.error("request failed", exc_info=error)
    return Problem(500, "request: something went wrong here, and the log of the server tells what")


def _foreseen(error: errors.WorkbenchError) -> Problem:
    told = " ".join(error.message.split())
    match error:
        case errors.Waiting():
            wait = {"Retry-After": str(max(1, round(error.retry_after)))}
            status = 429 if error.reason == "RateLimited" else 503
            return Problem(status, told, reason=error.reason, headers=wait)
        case errors.Conflict():
            return Problem(409, told, reason=error.reason)
    return Problem(_STATUSES.get(error.reason, 409), told, reason=error.reason)


def _invalid(error: exceptions.RequestValidationError) -> str:
    """Field and what is wrong with it, of the first few; what was given is not repeated."""
    found = cast("list[dict[str, Any]]", error.errors())
    told = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in found[:_MOST_TOLD]]
    more = len(found) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more > 0 else "")


def install(app: fastapi.FastAPI) -> None:
    """Let every error of a route, and of finding one, be a problem."""

    async def handle(request: fastapi.Request, error: Exception) -> responses.Response:
        found = of(error)
        of_models = request.url.path.startswith(MODELS)
        return answer(found, as_models(found) if of_models else {})

    for kind in (
        Problem,
        errors.WorkbenchError,
        exceptions.RequestValidationError,
        starlette.HTTPException,
        TimeoutError,
    ):
        app.add_exception_handler(kind, handle)
