"""The OpenAPI document: FastAPI's, and what it does not know: that every error is a problem."""

from collections.abc import Iterable
from typing import Any

import fastapi
from fastapi.openapi import utils

import workbenchx
from workbenchx.console import problems, words
from workbenchx.console.routes import catalog

TITLE = "WorkbenchX"
SUMMARY = "What is declared, what was done, and what is to be done."
_METHODS = frozenset({"get", "post"})
_REFERENCE = {"$ref": "#/components/schemas/Problem"}


def add_routes(
    app: fastapi.FastAPI, routers: Iterable[fastapi.APIRouter] = catalog.ROUTERS
) -> None:
    """Give the application its routes, and its own description of them."""
    for router in routers:
        app.include_router(router)

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    # FastAPI's own way to have another document.
    app.openapi = describe  # type: ignore[method-assign]


def document() -> dict[str, Any]:
    """The description of the routes, without an application that serves them."""
    app = fastapi.FastAPI(title=TITLE, version=workbenchx.__version__, summary=SUMMARY)
    add_routes(app)
    return app.openapi()


def _described(app: fastapi.FastAPI) -> dict[str, Any]:
    found = utils.get_openapi(
        title=app.title, version=app.version, summary=app.summary, routes=app.routes
    )
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = words.Problem.model_json_schema()
    for path in found["paths"].values():
        for method, operation in path.items():
            if method in _METHODS:
                _with_problems(operation)
            if method == "get" and "application/json" in operation["responses"]["200"]["content"]:
                operation["responses"]["304"] = {
                    "description": "You have it already (If-None-Match)"
                }
    return found


def _with_problems(operation: dict[str, Any]) -> None:
    operation["responses"].pop("422", None)
    operation["responses"]["default"] = {
        "description": "It was refused, or failed",
        "content": {problems.MEDIA_TYPE: {"schema": _REFERENCE}},
    }
