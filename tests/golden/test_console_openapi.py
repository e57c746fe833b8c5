"""schemas/openapi.json: fresh, well-formed, and closed: every route of the API says who may ask and how it errs."""

import json
from typing import Any

import jsonschema
import pytest

from workbenchx import assets
from workbenchx.console import describing, emit, problems

DOCUMENT = describing.document()
OPERATIONS = [
    (path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
PUBLIC = {
    "/api/v1/auth",
    "/api/v1/auth/exchange",
    "/api/v1/blobs/{sha256}",
    "/api/v1/runner/dist/{sha256}",
    "/healthz",
    "/readyz",
    "/webhooks/{forge}",
}


def test_the_committed_document_is_fresh() -> None:
    """`make generate` would write the same."""
    path = assets.folder("schemas") / emit.NAME
    assert path.read_text(encoding="utf-8") == emit.render()
    assert json.loads(emit.render())["openapi"].startswith("3.1")


@pytest.mark.parametrize(
    ("path", "method", "operation"),
    OPERATIONS,
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_operation_is_whole(path: str, method: str, operation: dict[str, Any]) -> None:
    """It needs a token or is known to be public, has a summary, and answers problems for whatever goes wrong."""
    assert operation["summary"]
    assert operation["description"]
    assert ("security" in operation) is (path not in PUBLIC)
    default = operation["responses"]["default"]["content"]
    assert list(default) == [problems.MEDIA_TYPE]


def test_its_schemas_are_schemas() -> None:
    """Draft 2020-12, as OpenAPI 3.1 says."""
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
